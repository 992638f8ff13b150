import {
  type AppendResult,
  type Commit,
  type EventStore,
  EventStoreError,
  type Position,
  type Revision,
  type StoredEvent,
  type StreamId,
} from '../../../coordinator/ports/event-store.ts';
import { encodeCommit } from '../encode.ts';
import { encodeEvents, overheadBytes, storedEvents } from './commit-message.ts';
import { type Connection, openConnection } from './connection.ts';
import { toStoreError } from './errors.ts';
import { follow, replay } from './follow.ts';
import { askingCluster, type Waiting } from './forming.ts';
import { acquireLease, type Lease } from './lease.ts';
import { createLogReader, type LogReader } from './log-reader.ts';
import { beginWriting } from './marker.ts';
import { defaultLeaseSeconds, type NatsOptions } from './options.ts';
import { createPipeline, type Pipeline } from './pipeline.ts';
import { durabilityOf, ensureStream, type LogSettings } from './stream-config.ts';
import { beginning, maxEventsPerCommit, subjectsOf } from './subject.ts';

export interface NatsEventStoreOptions extends NatsOptions {
  /**
   * `{ holder }`: the one writer, under a lease in this name (`leaseSeconds` here goes before the one of the URL). `shared`: one of several, without a lease; for tools and tests, never beside a
   * coordinator, which would step down. `none`: for looking in.
   */
  readonly writer: { readonly holder: string; readonly leaseSeconds?: number } | 'shared' | 'none';
  /** For a cluster that is just starting too. Without it, opening rejects at once where that is not there yet. */
  readonly waiting?: Waiting;
}

/** How long the end of the store waits for servers that are not there, in milliseconds. */
const patience = 5000;

/**
 * The event store in a JetStream stream: one message per commit (docs/engines.md). Comes back by itself after a lost connection; appends
 * wait meanwhile. Rejects with an EventStoreError: `in-use` names who writes, `unavailable` says what is missing.
 */
export async function openNatsEventStore(options: NatsEventStoreOptions): Promise<EventStore> {
  await using resources = new AsyncDisposableStack();
  const { stream: log, writer } = options;
  const holder = typeof writer === 'object' ? writer.holder : undefined;
  const connection = resources.use(await openConnection(options, holder ?? 'drover'));
  const ask = askingCluster(options, options.waiting);
  const settings = await ensureStream(connection, options, { create: writer !== 'none', ask });
  const subjects = subjectsOf(log);
  const reader = createLogReader(connection, log, subjects);
  let pipeline: Pipeline | undefined;
  let lease: Lease | undefined;
  const lost = Promise.withResolvers<EventStoreError>();
  try {
    if (holder !== undefined) {
      lease = resources.use(
        await acquireLease(connection, {
          log,
          holder,
          seconds:
            (typeof writer === 'object' ? writer.leaseSeconds : undefined) ??
            options.leaseSeconds ??
            defaultLeaseSeconds,
          settings,
          ask,
          onLost(error) {
            pipeline?.fail(error);
            lost.resolve(error);
          },
        }),
      );
    }
    if (writer !== 'none') {
      const end = lease
        ? await beginWriting(connection, { subjects, reader, lease })
        : { sequence: await reader.lastSequence(), head: undefined };
      pipeline = createPipeline({ connection, log, subjects, reader, end, lease });
    }
  } catch (error) {
    throw toStoreError(error, `opening the log ${log}`);
  }
  return makeStore({
    connection,
    settings,
    reader,
    pipeline,
    exclusive: lease !== undefined,
    lost: lost.promise,
    options,
    resources: resources.move(),
  });
}

interface Parts {
  readonly connection: Connection;
  readonly settings: LogSettings;
  readonly reader: LogReader;
  readonly pipeline: Pipeline | undefined;
  readonly exclusive: boolean;
  readonly lost: Promise<EventStoreError>;
  readonly options: NatsEventStoreOptions;
  readonly resources: AsyncDisposableStack;
}

function makeStore({ connection, settings, reader, pipeline, exclusive, lost, options, resources }: Parts): EventStore {
  const { stream: log } = options;
  const end = new AbortController();
  let closing: Promise<void> | undefined;
  const durabilityNote = durabilityOf(connection.version, settings, options.syncAlways ?? false);

  function mustBeOpen(): void {
    if (closing) throw new EventStoreError('closed', 'The event store is closed');
  }
  function mustWrite(): Pipeline {
    mustBeOpen();
    if (!pipeline) throw new EventStoreError('read-only', `Log ${log}: it was opened for reading only`);
    return pipeline;
  }

  /** Largest message that the servers take, in bytes. */
  function limitNow(): number {
    const { maxMessage } = settings;
    return maxMessage > 0 ? Math.min(maxMessage, connection.maxPayload) : connection.maxPayload;
  }

  /** A commit as it goes into its message; throws `too-large` for what the servers would not take. */
  function encode(commit: Commit): string {
    const encoded = encodeEvents(commit, encodeCommit(commit));
    const limit = limitNow();
    // The names are in the body, in the subject and in the header.
    const size = Buffer.byteLength(encoded) + 3 * Buffer.byteLength(commit.stream + commit.id) + overheadBytes;
    if (size > limit)
      throw new EventStoreError(
        'too-large',
        `Commit ${commit.id} to ${commit.stream} takes ${size} bytes, expected up to ${limit} (max_payload of nats-server)`,
      );
    if (commit.events.length > maxEventsPerCommit)
      throw new EventStoreError(
        'too-large',
        `Commit ${commit.id} to ${commit.stream} has ${commit.events.length} events, expected up to ${maxEventsPerCommit}`,
      );
    return encoded;
  }

  /** The one writer knows where the log ends; others ask, at once. */
  function headNow(): Promise<Position | undefined> | Position | undefined {
    if (exclusive) return pipeline?.head;
    const asked = reader.lastSequence().then((sequence) => reader.headAt(sequence));
    asked.catch(() => {});
    return asked;
  }
  const until = (signal: AbortSignal | undefined) => (signal ? AbortSignal.any([signal, end.signal]) : end.signal);

  async function* readStream(
    stream: StreamId,
    from: Revision | undefined,
    limit: number,
    backward: boolean,
  ): AsyncGenerator<StoredEvent> {
    let left = limit;
    if (left <= 0) return;
    try {
      const events = backward ? reader.backward(stream) : forward(stream);
      for await (const event of events) {
        if (closing) return;
        if (backward ? event.revision > (from ?? Number.POSITIVE_INFINITY) : event.revision < (from ?? 0)) continue;
        yield event;
        if (--left <= 0) return;
      }
    } catch (error) {
      if (closing) return;
      throw toStoreError(error, `reading ${stream}`);
    }
  }
  async function* forward(stream: StreamId): AsyncGenerator<StoredEvent> {
    for (const commit of (await reader.commitsOf(stream)).commits) yield* storedEvents(commit);
  }

  return {
    get obstacle() {
      return pipeline ? pipeline.obstacle : connection.obstacle;
    },
    lost,
    watchObstacle(listener) {
      const stop = (pipeline ?? connection).onChange(listener);
      return { [Symbol.dispose]: stop };
    },
    capabilities: {
      durableAck: durabilityNote === undefined,
      // Names and headers take the rest.
      maxCommitBytes: limitNow() - 4096,
      ...(durabilityNote !== undefined && { durabilityNote }),
    },
    async append(commit) {
      const open = mustWrite();
      return open.append(commit, encode(commit));
    },
    async appendBatch(commits): Promise<AppendResult[]> {
      const open = mustWrite();
      const encoded = commits.map(encode);
      return Promise.all(commits.map((commit, at) => open.append(commit, encoded[at] as string)));
    },
    read(stream, { from, limit = Number.POSITIVE_INFINITY, backward = false } = {}) {
      mustBeOpen();
      return readStream(stream, from, limit, backward);
    },
    readAll({ after, filter, limit = Number.POSITIVE_INFINITY, json, signal } = {}) {
      mustBeOpen();
      return quiet(
        replay({
          connection,
          log,
          after,
          filter,
          exact: json === 'beside',
          head: headNow(),
          limit,
          signal: until(signal),
        }),
      );
    },
    subscribe({ after, filter, signal }) {
      mustBeOpen();
      if (after !== 'end') return quiet(follow({ connection, log, after, filter, signal: until(signal) }));
      const head = headNow();
      return quiet(
        (async function* () {
          yield* follow({ connection, log, after: (await head) ?? beginning, filter, signal: until(signal) });
        })(),
      );
    },
    async head() {
      mustBeOpen();
      try {
        return await headNow();
      } catch (error) {
        throw toStoreError(error, 'looking for the end of the log');
      }
    },
    [Symbol.asyncDispose]() {
      closing ??= (async () => {
        end.abort();
        await pipeline?.finish(patience);
        pipeline?.fail(new EventStoreError('closed', 'The event store is closed'));
        await resources.disposeAsync();
      })();
      return closing;
    },
  };

  /** Ends without an error where the store was closed meanwhile. */
  async function* quiet<T>(items: AsyncGenerator<T>): AsyncGenerator<T> {
    try {
      yield* items;
    } catch (error) {
      if (closing) return;
      throw toStoreError(error, 'reading the log');
    }
  }
}
