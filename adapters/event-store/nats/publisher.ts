import { createInbox, type Msg } from 'nats';
import { type Expectation, encodeHeaders } from './commit-message.ts';
import type { Connection } from './connection.ts';
import { classifyRefusal } from './errors.ts';

/** What the server said to a message: stored at a sequence (`duplicate`: already before), or refused. `error: 'later'` says nothing about the message. */
export type Acknowledgement =
  | { readonly sequence: number; readonly duplicate: boolean }
  | { readonly error: ReturnType<typeof classifyRefusal> };

/** Sends messages to the log without waiting for one before the next, over one inbox and without a timer for each. */
export interface Publisher extends Disposable {
  publish(
    message: { subject: string; id: string; body: string; expected: Expectation },
    onAck: (ack: Acknowledgement) => void,
  ): void;
  /** Hears of nothing more that was sent so far. */
  forget(): void;
}

export function createPublisher(connection: Connection): Publisher {
  const { nc } = connection;
  const inbox = createInbox();
  const waiting = new Map<string, (ack: Acknowledgement) => void>();
  let last = 0;
  const subscription = nc.subscribe(`${inbox}.*`, {
    callback(error, msg) {
      if (error) return;
      const onAck = waiting.get(msg.subject);
      if (!onAck) return;
      waiting.delete(msg.subject);
      onAck(parseAck(msg));
    },
  });
  return {
    publish({ subject, id, body, expected }, onAck) {
      const reply = `${inbox}.${++last}`;
      nc.publish(subject, body, { reply, headers: encodeHeaders(id, expected) });
      waiting.set(reply, onAck);
    },
    forget: () => waiting.clear(),
    [Symbol.dispose]() {
      waiting.clear();
      subscription.unsubscribe();
    },
  };
}

/** `{"stream":…,"seq":…,"duplicate":true}` or `{"error":{"code":…,"err_code":…,"description":…}}`; no body and status 503: nobody listens. */
function parseAck(msg: Msg): Acknowledgement {
  if (msg.data.length === 0) return { error: 'later' };
  try {
    const { seq, duplicate, error } = JSON.parse(msg.string()) as {
      seq?: number;
      duplicate?: boolean;
      error?: { code?: number; err_code?: number; description?: string };
    };
    if (error)
      return { error: classifyRefusal(error.err_code ?? error.code ?? 0, error.description ?? 'no reason given') };
    if (typeof seq === 'number') return { sequence: seq, duplicate: duplicate === true };
  } catch {
    // Not an answer of JetStream; whoever sent it, the log says what is true.
  }
  return { error: 'later' };
}
