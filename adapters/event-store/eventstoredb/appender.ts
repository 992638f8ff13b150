import { type EventData, NO_STREAM } from '@eventstore/db-client';
import {
  type AppendResult,
  type Commit,
  EventStoreError,
  type Position,
  type Revision,
} from '../../../coordinator/ports/event-store.ts';
import { encodeCommit } from '../encode.ts';
import { type Connection, type Link, within } from './connection.ts';
import { isConflict } from './errors.ts';
import type { Lease } from './lease.ts';
import type { LogReader } from './log-reader.ts';
import { formatLogPosition } from './position.ts';
import { decodeRecord, encodeRecords, streamName } from './record.ts';
import { createStreamMemory, type StreamState } from './stream-memory.ts';

export interface Appender {
  append(commit: Commit): Promise<AppendResult>;
  appendBatch(commits: readonly Commit[]): Promise<readonly AppendResult[]>;
  /** Why nothing can be appended any more. */
  readonly stopped: EventStoreError | undefined;
  /** Resolves when the lease has gone to another. */
  readonly lost: Promise<EventStoreError>;
  /** Finishes what was handed over, as far as the server answers within `milliseconds`; then gives the lease back. */
  close(milliseconds: number): Promise<void>;
}

export interface AppenderOptions {
  readonly connection: Connection;
  readonly reader: LogReader;
  readonly lease: Lease;
  readonly log: string;
  readonly leaseSeconds: number;
  readonly callMilliseconds: number;
  /** How long an append waits for a server that does not answer, before it fails and stops the pipeline. */
  readonly patienceMilliseconds: number;
  readonly maxAppendBytes: number;
  /** Position of the last event known so far, and what to do with a higher one. */
  known(): Position;
  raise(position: Position): void;
}

interface Job {
  readonly commit: Commit;
  readonly events: EventData[];
  readonly resolve: (result: AppendResult) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The one ordered pipeline of the port. Exactly one append is on its way at any time: the server can refuse one commit
 * and take the next (an access control list, a size, a timeout), so with two on their way a later one could be stored
 * without an earlier one. That bounds the rate by the round trip and the server's flush.
 */
export function createAppender(options: AppenderOptions): Appender {
  const { connection, reader, lease, log, callMilliseconds } = options;
  const shared = lease.epoch === undefined;
  const memory = createStreamMemory();
  const queue: Job[] = [];
  let running: Promise<void> | undefined;
  let stopped: EventStoreError | undefined;
  const lost = Promise.withResolvers<EventStoreError>();
  let closed = false;
  /** Since when the pipeline waits for the server; the bound on it shrinks when the store is closed. */
  let patience = options.patienceMilliseconds;

  // Renews where nothing is appended; under load the appends do it.
  const timer = shared ? undefined : setInterval(() => run(), (options.leaseSeconds * 1000) / 8);
  timer?.unref();

  function prepare(commit: Commit): { commit: Commit; events: EventData[] } {
    if (closed) throw new EventStoreError('closed', 'The event store is closed');
    const { events, bytes } = encodeRecords(commit, encodeCommit(commit), log, lease.epoch);
    if (bytes > options.maxAppendBytes) {
      throw new EventStoreError(
        'too-large',
        `Commit ${commit.id} to ${commit.stream} has ${bytes} bytes, expected up to ${options.maxAppendBytes} (the server's MaxAppendSize)`,
      );
    }
    return { commit, events };
  }
  function hand(prepared: { commit: Commit; events: EventData[] }): Promise<AppendResult> {
    if (stopped) return Promise.reject(stopped);
    return new Promise((resolve, reject) => {
      queue.push({ ...prepared, resolve, reject });
      run();
    });
  }

  function run(): void {
    if (running || stopped) return;
    running = work().finally(() => {
      running = undefined;
      // Handed over while the lease was being renewed.
      if (queue.length > 0) run();
    });
  }
  async function work(): Promise<void> {
    // Lets the caller hand over more first.
    await undefined;
    let at = 0;
    for (; at < queue.length && !stopped; at++) {
      const { commit, events, resolve, reject } = queue[at] as Job;
      try {
        resolve(await store(commit, events));
      } catch (error) {
        reject(error);
        stop(error);
      }
      if (at > 1000) {
        queue.splice(0, at + 1);
        at = -1;
      }
    }
    queue.splice(0, at);
    if (!stopped && lease.due() && !closed) await renewWhileIdle();
    for (const { reject } of stopped ? queue.splice(0) : []) reject(stopped);
  }
  function stop(error: unknown): void {
    clearInterval(timer);
    const reason = error instanceof Error ? error.message : String(error);
    const code = (error as Partial<EventStoreError>).code === 'lease-lost' ? 'lease-lost' : 'unavailable';
    stopped = new EventStoreError(
      code,
      code === 'lease-lost' ? reason : `An earlier append failed, open the store again: ${reason}`,
      { cause: error },
    );
    if (code === 'lease-lost') lost.resolve(stopped);
  }
  /** One try: the next tick of the timer makes another, and an append waits for its own. */
  async function renewWhileIdle(): Promise<void> {
    const link = await connection.link();
    try {
      await lease.renew(link);
      connection.worked();
    } catch (error) {
      if (error instanceof EventStoreError) stop(error);
      else await connection.failed(link, error, 0).catch(() => {});
    }
  }

  /** Everything of a stream that is not in `state` yet. */
  async function readOn(link: Link, stream: string, state: StreamState): Promise<void> {
    for await (const record of reader.stream(link, stream, { from: state.head + 1 })) {
      const found = decodeRecord(record, log);
      const revision = Number(record.revision);
      if (found) memory.recordCommit(stream, state, found.event.commit, revision);
      else state.head = revision;
    }
  }
  async function load(link: Link, stream: string): Promise<StreamState> {
    const known = memory.get(stream);
    if (known) return known;
    const state: StreamState = { head: -1, commits: new Map() };
    await readOn(link, stream, state);
    memory.set(stream, state);
    return state;
  }
  async function positionAt(link: Link, stream: string, revision: Revision): Promise<Position> {
    let position: Position | undefined;
    for await (const record of reader.stream(link, stream, { from: revision, count: 1 })) {
      if (record.position) position = formatLogPosition(record.position);
    }
    if (position) return position;
    throw new EventStoreError(
      'damaged',
      `Event store ${connection.where}: expected an event ${stream}@${revision}, got none`,
    );
  }

  function store(commit: Commit, events: EventData[]): Promise<AppendResult> {
    const startedAt = performance.now();
    /** An attempt of this call may have been stored without our hearing of it. */
    let uncertain = false;
    return connection.run(
      async (link) => {
        if (lease.due()) await lease.renew(link);
        // Again where that only settled what became of an earlier try.
        while (lease.remaining() <= 0) await lease.renew(link);
        const { stream, id } = commit;
        let state = memory.get(stream);
        if (!state && (commit.expected !== 'none' || uncertain || shared)) state = await load(link, stream);
        else if (state && (uncertain || shared)) await readOn(link, stream, state);
        for (let conflicts = 0; ; ) {
          const before = state?.commits.get(id);
          if (before !== undefined) {
            const position = await positionAt(link, stream, before);
            options.raise(position);
            return { ok: true, revision: before, position, replayed: !uncertain };
          }
          const head: Revision = state?.head ?? -1;
          const expected = commit.expected === 'any' ? head : commit.expected === 'none' ? -1 : commit.expected;
          if (state && expected !== head) {
            // The server has the last word on a conflict too.
            await readOn(link, stream, state);
            if (state.commits.has(id)) continue;
            if (expected === state.head) continue;
            if (commit.expected === 'any') continue;
            return { ok: false, reason: 'wrong-revision', actual: state.head < 0 ? 'none' : state.head };
          }
          // The feed may bring the commit before its answer comes.
          const knownBefore = options.known();
          try {
            const sent = await send(link, stream, events, expected);
            const revision = expected + events.length;
            const position = sent ?? (await positionAt(link, stream, revision));
            // A new stream's first commit is sent unseen: the server takes the same event ids again and answers as it did.
            const replayed = !state && !uncertain && position <= knownBefore;
            if (!state) {
              state = { head: -1, commits: new Map() };
              if (!replayed) memory.set(stream, state);
            }
            memory.recordCommit(stream, state, id, revision);
            options.raise(position);
            return { ok: true, revision, position, replayed };
          } catch (error) {
            if (!isConflict(error)) {
              uncertain = true;
              throw error;
            }
            if (conflicts++ > 10)
              throw new Error('the server sees a conflict where the stream shows none', { cause: error });
            if (state) await readOn(link, stream, state);
            else state = await load(link, stream);
          }
        }
      },
      () => startedAt + patience,
    );
  }

  async function send(
    link: Link,
    stream: string,
    events: EventData[],
    expected: Revision,
  ): Promise<Position | undefined> {
    // Evaluated by the client at the moment at which it writes the request. The server refuses a request that reaches
    // it after that, so one that waited in a stopped process or a full socket beyond the lease is not stored.
    const deadline = { valueOf: () => Math.min(callMilliseconds, lease.endsAt() - Date.now()) };
    const { position } = await within(
      callMilliseconds,
      link.client.appendToStream(streamName(log, stream), events, {
        requiresLeader: true,
        expectedRevision: expected < 0 ? NO_STREAM : BigInt(expected),
        deadline: deadline as unknown as number,
      }),
    );
    return position && formatLogPosition(position);
  }

  return {
    get stopped() {
      return stopped;
    },
    lost: lost.promise,
    async append(commit) {
      return hand(prepare(commit));
    },
    async appendBatch(commits) {
      const prepared = commits.map(prepare);
      return Promise.all(prepared.map(hand));
    },
    async close(milliseconds) {
      closed = true;
      clearInterval(timer);
      patience = Math.min(patience, milliseconds);
      while (running) await running;
      if (stopped) return;
      const link = await connection.link();
      await lease.release(link).catch(() => {});
    },
  };
}
