import { setTimeout as sleep } from 'node:timers/promises';
import { EventStoreDBClient } from '@eventstore/db-client';
import { EventStoreError } from '../../../coordinator/ports/event-store.ts';
import { isBrokenConnection, toRefusal } from './errors.ts';
import type { EsdbUrl } from './url.ts';

/** One client of the stock package, good until its connection breaks. */
export interface Link {
  readonly client: EventStoreDBClient;
  /** Aborts once the link has been thrown away: what still reads from it ends then. */
  readonly gone: AbortSignal;
}

export interface Connection {
  readonly where: string;
  /** What keeps calls from succeeding at the moment. */
  readonly obstacle: string | undefined;
  /** Calls back when the obstacle comes or goes. Returns how to stop that. */
  onChange(listener: () => void): () => void;
  /** Aborts when the store is closed. */
  readonly closing: AbortSignal;
  link(): Promise<Link>;
  /** Tells of a call that went through. */
  worked(): void;
  /** Tells of a call that failed for reasons that may pass; then waits out the back-off. Throws `closed`. */
  failed(link: Link, error: unknown, tries: number): Promise<void>;
  /**
   * As {@link failed}, but throws what {@link toRefusal} says, and `unavailable` once `giveUpAt` (milliseconds of
   * performance.now()) has passed.
   */
  recover(link: Link, error: unknown, tries: number, giveUpAt: () => number): Promise<void>;
  /** Tries until it succeeds or {@link recover} throws. */
  run<T>(attempt: (link: Link) => Promise<T>, giveUpAt: () => number): Promise<T>;
  close(): Promise<void>;
}

export interface ConnectionOptions {
  readonly url: EsdbUrl;
  /** Milliseconds between two tries: the first, and the most after doubling. */
  readonly backOff: { readonly first: number; readonly most: number };
}

/** A call of the client that hangs must not hold up for ever: rejects after `milliseconds`. The call's own end is then ignored. */
export function within<T>(milliseconds: number, call: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`no answer within ${Math.round(milliseconds)} ms`)),
      Math.max(0, milliseconds),
    );
    call.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** A read (that can be cancelled) or a subscription of the client. */
type ClientStream<T> = AsyncIterable<T> & {
  on(event: 'error', listener: () => void): unknown;
  destroy(error: Error): unknown;
} & ({ cancel(): Promise<void> } | { unsubscribe(): Promise<void> });

/** What a read or a subscription of the client gives; ends with an error when `end` aborts, which the client would not do. */
export async function* drain<T>(stream: ClientStream<T>, end: AbortSignal): AsyncGenerator<T> {
  const stop = () => void stream.destroy(new Error('the connection was closed'));
  // The client emits errors at any time, also when nobody iterates any more.
  stream.on('error', () => {});
  if (end.aborted) stop();
  end.addEventListener('abort', stop, { once: true });
  let finished = false;
  try {
    for await (const item of stream) yield item;
    finished = true;
  } finally {
    end.removeEventListener('abort', stop);
    if (!finished) ('cancel' in stream ? stream.cancel() : stream.unsubscribe()).catch(() => {});
  }
}

/**
 * Holds the client, and replaces it when its connection breaks: a fresh client connects at once, where the old one's
 * channel would wait out a back-off of its own of up to two minutes.
 */
export function openConnection({ url, backOff }: ConnectionOptions): Connection {
  const closing = new AbortController();
  let obstacle: string | undefined;
  const listeners = new Set<() => void>();
  function setObstacle(text: string | undefined): void {
    const changed = (text === undefined) !== (obstacle === undefined);
    obstacle = text;
    if (changed) for (const listener of [...listeners]) listener();
  }
  let disposing: Promise<unknown> = Promise.resolve();
  let current = makeLink();

  function makeLink(): Link & { drop(): void } {
    const gone = new AbortController();
    return {
      client: EventStoreDBClient.connectionString(url.connectionString),
      gone: gone.signal,
      drop: () => gone.abort(),
    };
  }
  async function dispose({ client }: Link): Promise<void> {
    // Cancels all streams at once, but waits for ever for one that was cancelled before and not read to its end.
    const ended = client.dispose().catch(() => {});
    await Promise.race([ended, sleep(100, undefined, { ref: false })]);
    // Protected, but the only way to give the socket back.
    // biome-ignore lint/complexity/useLiteralKeys: TypeScript lets only this form through to a protected member
    await client['getChannel']().then(
      (channel) => channel.close(),
      () => {},
    );
  }
  function replace(broken: Link): void {
    if (broken !== current) return;
    const old = current;
    current = makeLink();
    old.drop();
    disposing = dispose(old);
  }

  const connection: Connection = {
    where: url.display,
    get obstacle() {
      return obstacle;
    },
    closing: closing.signal,
    async link() {
      // The client keeps its unanswered appends in one table for all clients of the process and clears that when a
      // stream fails, so the old one must be gone before the new one is used.
      await disposing;
      return current;
    },
    worked() {
      setObstacle(undefined);
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async failed(link, error, tries) {
      if (closing.signal.aborted) throw new EventStoreError('closed', 'The event store is closed');
      const reason = error instanceof Error ? error.message : String(error);
      setObstacle(`Event store ${url.display} cannot be reached: ${reason}`);
      if (isBrokenConnection(error)) replace(link);
      const wait = Math.min(backOff.most, backOff.first * 2 ** Math.min(tries, 20));
      await sleep(wait, undefined, { signal: closing.signal }).catch(() => {});
      if (closing.signal.aborted) throw new EventStoreError('closed', 'The event store is closed');
    },
    async recover(link, error, tries, giveUpAt) {
      const refusal = toRefusal(error, url.display);
      if (refusal) throw refusal;
      if (performance.now() < giveUpAt()) return connection.failed(link, error, tries);
      if (isBrokenConnection(error)) replace(link);
      const reason = error instanceof Error ? error.message : String(error);
      throw new EventStoreError('unavailable', `Event store ${url.display} does not answer: ${reason}`, {
        cause: error,
      });
    },
    async run(attempt, giveUpAt) {
      for (let tries = 0; ; tries++) {
        const link = await connection.link();
        try {
          const result = await attempt(link);
          connection.worked();
          return result;
        } catch (error) {
          await connection.recover(link, error, tries, giveUpAt);
        }
      }
    },
    async close() {
      closing.abort();
      current.drop();
      await disposing;
      await dispose(current);
    },
  };
  return connection;
}
