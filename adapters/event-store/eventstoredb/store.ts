import {
  type EventStore,
  EventStoreError,
  type Position,
  type Revision,
  type StoredEvent,
  type StreamId,
} from '../../../coordinator/ports/event-store.ts';
import { type Appender, createAppender } from './appender.ts';
import { type Connection, openConnection } from './connection.ts';
import { createFeed } from './feed.ts';
import { follow, type ReadableLog, replay } from './follow.ts';
import { sharedLease, takeLease } from './lease.ts';
import { createLogReader, type LogReader } from './log-reader.ts';
import { later, logStart, parseLogPosition } from './position.ts';
import { decodeRecord, defaultLog } from './record.ts';
import { parseEsdbUrl } from './url.ts';

export interface EventStoreDbOptions {
  /** `esdb://…`, see {@link parseEsdbUrl}. */
  readonly connectionString: string;
  /**
   * `false`: for looking in beside the coordinator. `holder` is named to whoever wants to write too: host and process,
   * say. `shared`: without a lease beside other writers, each append reads its stream first; for tests and tools.
   */
  readonly writer: false | 'shared' | { readonly holder: string; readonly leaseSeconds?: number };
  /** Several logs can share a server: all but `drover` have their name before each stream's, `<log>.build-…`. No `-` in it. */
  readonly log?: string;
  /** How long an append waits for a server that cannot be reached before it fails. Default 300. */
  readonly patienceSeconds?: number;
  /** How long one call may take before the connection is thrown away and the call repeated. Default 5. */
  readonly callSeconds?: number;
  /** The server's MaxAppendSize. Default 1 MiB, as the server's. */
  readonly maxAppendBytes?: number;
  /** Records per page of a replay. Default 2000. */
  readonly pageSize?: number;
  /** Milliseconds between two tries to reach the server: the first, and the most after doubling. Default 50 and 2000. */
  readonly backOff?: { readonly first: number; readonly most: number };
}

/** How long closing waits for appends that the server does not answer. */
const closeMilliseconds = 5000;

/**
 * The event store on EventStoreDB 22.10 or later, or KurrentDB. Rejects with a TypeError for options that make no sense
 * and an EventStoreError: `in-use` (names the holder; takes up to the other's lease to find out), `unavailable`, `damaged`.
 * One writing store per process, if it can be: the client keeps unanswered appends in one table for the whole process, so the end of one's connection
 * has the others connect anew and look what became of theirs.
 */
export async function openEventStoreDbEventStore(options: EventStoreDbOptions): Promise<EventStore> {
  const url = parseEsdbUrl(options.connectionString);
  const {
    writer,
    log = defaultLog,
    maxAppendBytes = 1024 * 1024,
    callSeconds = 5,
    patienceSeconds = 300,
    pageSize = 2000,
  } = options;
  const { first, most } = options.backOff ?? { first: 50, most: 2000 };
  if (!/^[a-zA-Z0-9_]{1,64}$/.test(log))
    throw new TypeError(`Expected a log name of letters, digits and _, got ${log}`);
  for (const [name, value] of Object.entries({ maxAppendBytes, pageSize, callSeconds, patienceSeconds, first, most })) {
    if (!(value > 0)) throw new TypeError(`Expected ${name} to be more than 0, got ${value}`);
  }
  const leaseSeconds = typeof writer === 'object' ? (writer.leaseSeconds ?? 10) : 0;
  if (typeof writer === 'object' && !(leaseSeconds >= 0.5 && leaseSeconds <= 3600)) {
    throw new TypeError(`Expected leaseSeconds from 0.5 to 3600, got ${leaseSeconds}`);
  }
  if (typeof writer === 'object' && writer.holder === '') throw new TypeError('Expected a holder, got an empty text');

  const callMilliseconds = callSeconds * 1000;
  await using resources = new AsyncDisposableStack();
  const connection = openConnection({ url, backOff: { first, most } });
  resources.defer(() => connection.close());
  const reader = createLogReader(connection, log);
  const lease =
    typeof writer === 'object'
      ? await takeLease({
          connection,
          reader,
          stream: `${log}.lease`,
          holder: writer.holder,
          seconds: leaseSeconds,
          callMilliseconds,
        })
      : sharedLease;
  resources.defer(async () => {
    await lease.release(await connection.link()).catch(() => {});
  });
  const openedAt = performance.now();
  const { head, looked } = await connection.run(
    (link) => reader.head(link, logStart),
    () => openedAt + 2 * callMilliseconds,
  );
  const store = makeStore(
    {
      connection,
      reader,
      log,
      head,
      looked,
      alone: typeof writer === 'object',
      patienceMilliseconds: patienceSeconds * 1000,
      maxAppendBytes,
      pageSize,
    },
    (known, raise) =>
      writer
        ? createAppender({
            connection,
            reader,
            lease,
            log,
            leaseSeconds,
            callMilliseconds,
            patienceMilliseconds: patienceSeconds * 1000,
            maxAppendBytes,
            known,
            raise,
          })
        : undefined,
  );
  resources.move();
  return store;
}

interface Parts {
  readonly connection: Connection;
  readonly reader: LogReader;
  readonly log: string;
  readonly head: Position;
  /** The last record that was there when this was the head, ours or not. */
  readonly looked: Position;
  /** Whether nobody else writes. */
  readonly alone: boolean;
  readonly patienceMilliseconds: number;
  readonly maxAppendBytes: number;
  readonly pageSize: number;
}

function makeStore(
  { connection, reader, log, head, looked, alone, patienceMilliseconds, maxAppendBytes, pageSize }: Parts,
  makeAppender: (known: () => Position, raise: (position: Position) => void) => Appender | undefined,
): EventStore {
  const feed = createFeed(connection, log);
  let acknowledged = head;
  /** All up to here was looked at: where nothing happens, only the lease is renewed, for days. */
  let lookedAt = looked;
  let closed = false;
  let closing: Promise<void> | undefined;
  const known = () => later(feed.head, acknowledged);
  const appender = makeAppender(known, (position) => {
    acknowledged = later(acknowledged, position);
  });

  function mustBeOpen(): void {
    if (closed) throw new EventStoreError('closed', 'The event store is closed');
  }
  function mustWrite(): Appender {
    mustBeOpen();
    if (!appender) throw new EventStoreError('read-only', `Event store ${connection.where} was opened for reading`);
    return appender;
  }
  const patience = () => {
    const until = performance.now() + patienceMilliseconds;
    return () => until;
  };
  /** Asks the server, and does not look behind what is known already. */
  async function freshHead(): Promise<Position> {
    const found = await connection.run((link) => reader.head(link, known(), later(known(), lookedAt)), patience());
    acknowledged = later(acknowledged, found.head);
    lookedAt = later(lookedAt, found.looked);
    return known();
  }
  /** The head as of now: who holds the lease knows it, because nobody else writes. */
  const headNow = (): Promise<Position> => (alone ? Promise.resolve(known()) : freshHead());

  const readable: ReadableLog = {
    page: (after, count) => connection.run((link) => reader.page(link, after, Math.min(pageSize, count)), patience()),
    known,
    feed,
    closed: () => closed,
  };
  const startOf = (after: Position | undefined) => {
    if (after !== undefined) parseLogPosition(after);
    return after ?? logStart;
  };

  async function* readStream(
    stream: StreamId,
    options: { from?: Revision | undefined; limit: number; backward: boolean },
  ): AsyncGenerator<StoredEvent> {
    const { backward } = options;
    let { from, limit } = options;
    if (backward && from !== undefined) {
      // A server asked to read back from beyond the last event may find nothing.
      for await (const last of readStream(stream, { limit: 1, backward })) from = Math.min(from, last.revision);
    }
    const giveUpAt = patience();
    for (let tries = 0; limit > 0 && (from ?? 0) >= 0; tries++) {
      mustBeOpen();
      const link = await connection.link();
      try {
        const count = Number.isFinite(limit) ? limit : undefined;
        for await (const record of reader.stream(link, stream, { from, count, backward })) {
          const found = decodeRecord(record, log);
          from = Number(record.revision) + (backward ? -1 : 1);
          limit--;
          if (found) yield found.event;
        }
        connection.worked();
        return;
      } catch (error) {
        // Then goes on where it was.
        await connection.recover(link, error, tries, giveUpAt);
      }
    }
  }
  async function* readAllUpTo(head: Promise<Position>, rest: Omit<Parameters<typeof replay>[1], 'head'>) {
    yield* replay(readable, { ...rest, head: await head });
  }

  return {
    get obstacle() {
      return appender?.stopped?.message ?? connection.obstacle;
    },
    ...(appender && { lost: appender.lost }),
    watchObstacle(listener) {
      const stop = connection.onChange(listener);
      return { [Symbol.dispose]: stop };
    },
    // Metadata and framing take the rest.
    capabilities: { durableAck: true, maxCommitBytes: maxAppendBytes - 16 * 1024 },
    append: async (commit) => mustWrite().append(commit),
    appendBatch: async (commits) => mustWrite().appendBatch(commits),
    read(stream, { from, limit = Number.POSITIVE_INFINITY, backward = false } = {}) {
      mustBeOpen();
      return readStream(stream, { from, limit, backward });
    },
    readAll({ after, filter, limit = Number.POSITIVE_INFINITY, signal } = {}) {
      mustBeOpen();
      const start = startOf(after);
      const end = signal?.aborted ? Promise.resolve(start) : headNow();
      // Whoever never iterates never hears of it.
      end.catch(() => {});
      return readAllUpTo(end, { after: start, filter, limit, signal });
    },
    subscribe({ after, filter, signal }) {
      mustBeOpen();
      const start = signal.aborted ? undefined : headNow();
      start?.catch(() => {});
      const given = after === 'end' ? undefined : startOf(after);
      return follow(readable, {
        after: async () => {
          const head = (await start) ?? logStart;
          feed.start(known());
          return given ?? head;
        },
        filter,
        signal,
      });
    },
    async head() {
      mustBeOpen();
      const position = await freshHead();
      return position === logStart ? undefined : position;
    },
    [Symbol.asyncDispose]() {
      closing ??= (async () => {
        closed = true;
        await appender?.close(closeMilliseconds);
        await connection.close();
      })();
      return closing;
    },
  };
}
