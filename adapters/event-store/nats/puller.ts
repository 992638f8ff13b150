import {
  AckPolicy,
  type ConsumerConfig,
  createInbox,
  DeliverPolicy,
  type Msg,
  ReplayPolicy,
  type Subscription,
} from 'nats';
import { EventStoreError } from '../../../coordinator/ports/event-store.ts';
import type { RawMessage } from './commit-message.ts';
import type { Connection } from './connection.ts';
import { toStoreError } from './errors.ts';

/**
 * Messages of a stream in order, each once, from a sequence on, for ever: through a short-lived consumer on the server that is made anew
 * from the last message seen whenever anything is odd (a lost connection, a missed message, silence). Messages come only as they are
 * asked for, so a slow reader holds nothing up.
 */
export interface Puller extends AsyncDisposable {
  /** What has arrived, at least one message (or none at first, where there is nothing yet, and at the end). */
  take(): Promise<Taken>;
}

export interface Taken {
  readonly messages: readonly RawMessage[];
  /** True if there was nothing after these when the last one was sent. */
  readonly live: boolean;
}

export interface PullerOptions {
  readonly stream: string;
  /** Sequence to begin with, from 1. */
  readonly from: number;
  /** Only messages of this subject; without, all, and a hole between them is an error. */
  readonly subject?: string;
  /** Messages to ask for at first, where few are wanted: more on every round, as there may be many that are not. */
  readonly few?: number;
  readonly signal: AbortSignal;
}

/** Messages on their way to us at most. */
const window = 1000;
const windowBytes = 8 * 1024 * 1024;
const nanos = 1_000_000;
const pullExpires = 30_000;
const heartbeat = 5000;
const retryDelay = 200;

interface Numbered extends RawMessage {
  readonly pending: number;
}

export function createPuller(
  connection: Connection,
  { stream, from, subject, few = window, signal }: PullerOptions,
): Puller {
  const { nc, jsm } = connection;
  let next = Math.max(1, from);
  let buffer: Numbered[] = [];
  let outstanding = 0;
  /** What is asked for at a time; below {@link window} only once it is waited for. */
  let most = Math.min(window, few);
  let consumer: { name: string; delivered: number; subscription: Subscription; inbox: string } | undefined;
  let failure: unknown;
  let toldEmpty = false;
  let empty = false;
  let wake: (() => void) | undefined;
  let heard = performance.now();
  let starting = false;
  let startedOnce = false;
  const ended = () => signal.aborted || failure !== undefined;
  const notify = () => {
    wake?.();
    wake = undefined;
  };
  signal.addEventListener('abort', notify, { once: true });
  const unwatch = connection.onChange((connected) => {
    drop(false);
    if (connected) restart();
  });
  const watchdog = setInterval(() => {
    if (consumer && outstanding > 0 && performance.now() - heard > heartbeat * 2.5) restart();
  }, heartbeat);
  watchdog.unref();

  function drop(remove: boolean): void {
    if (!consumer) return;
    const { name, subscription } = consumer;
    consumer = undefined;
    outstanding = 0;
    subscription.unsubscribe();
    if (remove && !connection.obstacle) void jsm.consumers.delete(stream, name).catch(() => {});
  }

  function restart(): void {
    drop(true);
    if (starting) return;
    starting = true;
    void (async () => {
      for (let attempt = 0; !ended() && !consumer; attempt++) {
        try {
          if (attempt > 0) await new Promise((resolve) => setTimeout(resolve, retryDelay));
          await connection.connected();
          await start();
        } catch (error) {
          const problem = toStoreError(error, 'asking for messages');
          if (!(problem instanceof EventStoreError) || problem.code === 'closed') failure = error;
        }
      }
      starting = false;
      notify();
    })();
  }

  async function start(): Promise<void> {
    const config: Partial<ConsumerConfig> = {
      ack_policy: AckPolicy.None,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: Math.max(1, next),
      replay_policy: ReplayPolicy.Instant,
      inactive_threshold: pullExpires * 2 * nanos,
      mem_storage: true,
      num_replicas: 1,
      ...(subject !== undefined && { filter_subject: subject }),
    };
    const info = await connection.answer(() => jsm.consumers.add(stream, config));
    if (signal.aborted) return void jsm.consumers.delete(stream, info.name).catch(() => {});
    const inbox = createInbox();
    const subscription = nc.subscribe(inbox, { callback: (error, msg) => (error ? restart() : receive(inbox, msg)) });
    consumer = { name: info.name, delivered: 0, subscription, inbox };
    heard = performance.now();
    if (!startedOnce && info.num_pending === 0) empty = true;
    startedOnce = true;
    ask();
  }

  /** Keeps full what may be asked for, in steps of half of it. */
  function ask(): void {
    if (!consumer) return;
    const room = most - buffer.length - outstanding;
    if (room < most / 2) return;
    outstanding += room;
    heard = performance.now();
    nc.publish(
      `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer.name}`,
      JSON.stringify({
        batch: room,
        max_bytes: Math.max(windowBytes, connection.maxPayload * 2),
        expires: pullExpires * nanos,
        idle_heartbeat: heartbeat * nanos,
      }),
      { reply: consumer.inbox },
    );
  }

  function receive(inbox: string, msg: Msg): void {
    if (!consumer || consumer.inbox !== inbox) return;
    heard = performance.now();
    // What the server itself says has no body.
    const code = msg.data.length === 0 ? (msg.headers?.code ?? 0) : 0;
    if (code !== 0) return status(code, msg);
    const at = parseReply(msg.reply ?? '');
    // A message that was lost on the way: the consumer counts what it sends.
    if (!at || at.delivered !== consumer.delivered + 1) return restart();
    consumer.delivered = at.delivered;
    outstanding = Math.max(0, outstanding - 1);
    if (subject === undefined && at.sequence !== next) {
      failure = new EventStoreError(
        'damaged',
        `Log ${stream}: message ${next} is missing, the next one is ${at.sequence}`,
      );
      return notify();
    }
    next = at.sequence + 1;
    buffer.push({
      subject: msg.subject,
      sequence: at.sequence,
      headers: () => msg.headers,
      data: msg.data,
      pending: at.pending,
    });
    notify();
  }

  function status(code: number, msg: Msg): void {
    if (code === 100) {
      if (msg.reply) msg.respond();
    } else if (
      code === 404 ||
      code === 408 ||
      (code === 409 && /max ?bytes|batch completed/i.test(msg.headers?.description ?? ''))
    ) {
      // The pull is over; what is left of it says how much did not come.
      const left = Number(msg.headers?.get('Nats-Pending-Messages') || outstanding);
      outstanding = Math.max(0, outstanding - left);
      ask();
    } else restart();
  }

  restart();
  return {
    async take() {
      for (;;) {
        if (failure !== undefined) throw failure;
        if (signal.aborted) return { messages: [], live: false };
        if (buffer.length > 0) {
          const messages = buffer;
          buffer = [];
          toldEmpty = true;
          if (most === window) ask();
          return { messages, live: messages.at(-1)?.pending === 0 };
        }
        if (empty && !toldEmpty) {
          toldEmpty = true;
          return { messages: [], live: true };
        }
        if (most < window && outstanding === 0 && consumer) {
          most = Math.min(window, most * 8);
          ask();
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    async [Symbol.asyncDispose]() {
      failure ??= new EventStoreError('closed', 'This reader is closed');
      clearInterval(watchdog);
      unwatch();
      signal.removeEventListener('abort', notify);
      drop(true);
      notify();
    },
  };
}

/**
 * `$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<delivered>.<time>.<pending>`, from 2.10 on possibly with domain and account
 * before the stream and a token behind (ADR-15).
 */
function parseReply(reply: string): { sequence: number; delivered: number; pending: number } | undefined {
  const tokens = reply.split('.');
  const shift = tokens.length >= 11 ? 2 : 0;
  if (tokens.length < 9) return undefined;
  return {
    sequence: Number(tokens[5 + shift]),
    delivered: Number(tokens[6 + shift]),
    pending: Number(tokens[8 + shift]),
  };
}
