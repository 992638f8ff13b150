import { mkdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import {
  type EventStore,
  EventStoreError,
  type Position,
  type Revision,
  type StoredEvent,
  type StreamId,
} from '../../../coordinator/ports/event-store.ts';
import { maxCommitLength } from '../encode.ts';
import { follow, type NumberedLog, replay } from '../follow.ts';
import { createHeadSignal, type HeadSignal } from '../head-signal.ts';
import { formatPosition, parsePosition } from '../position.ts';
import { toStoreError } from './errors.ts';
import { lockForWriting } from './lock.ts';
import { openForReading } from './open-file.ts';
import { defaultPacking, type Packing } from './packer.ts';
import { createLogReader, type LogReader } from './reader.ts';
import { listenForHead, shareHead } from './shared-head.ts';
import type { Span } from './stream-index.ts';
import { startWriter, type Writer } from './writer.ts';

export interface SqliteEventStoreOptions {
  /** Folder of `events.db`; created if it is not there. On a local disk: SQLite's locks and its shared memory need one. */
  readonly dir: string;
  /**
   * No writer: for looking in beside the coordinator, from its own process or another. `subscribe` hears of new events
   * only where the writer is in the same process: in the same thread, or in one that had opened the log before it began this one.
   */
  readonly readOnly?: boolean;
  /** With `readOnly`: no file may come to be beside the log. Only where nobody writes to it, nor begins to. */
  readonly leaveNothing?: boolean;
  /** What is packed when; in tests. */
  readonly packing?: Packing;
  /** Told why the older part of the log could not be packed. The log is as good as before. */
  readonly notPacked?: (reason: string) => void;
}

/**
 * The event store in one SQLite file. Appends go to a thread of their own and are on stable storage once answered;
 * reads happen here, in portions. Rejects with an EventStoreError: `in-use`, `damaged`, `newer-schema`, `read-only`,
 * `disk-full`, `unavailable`.
 */
export async function openSqliteEventStore({
  dir,
  readOnly = false,
  leaveNothing = false,
  packing = defaultPacking,
  notPacked = () => undefined,
}: SqliteEventStoreOptions): Promise<EventStore> {
  await using resources = new AsyncDisposableStack();
  let file = join(dir, 'events.db');
  try {
    if (!readOnly) mkdirSync(dir, { recursive: true });
    if (!readOnly) resources.use(lockForWriting(dir));
    file = join(realpathSync(dir), 'events.db');
    let writer: Writer | undefined;
    let signal: HeadSignal;
    if (readOnly) signal = listenForHead(file, resources);
    else {
      signal = createHeadSignal(0);
      const started = await startWriter({ file, head: shareHead(file), packing }, signal.raise, notPacked);
      writer = started;
      // Closed after the reader, it moves the write-ahead log into the file and removes it.
      resources.defer(() => started.close());
    }
    const reader = createLogReader(openForReading(file, { leaveNothing }));
    resources.defer(() => reader.close());
    signal.raise(reader.head());
    return makeStore({ reader, writer, signal, dir, resources: resources.move() });
  } catch (error) {
    throw toStoreError(error, file);
  }
}

interface Parts {
  readonly reader: LogReader;
  readonly writer: Writer | undefined;
  readonly signal: HeadSignal;
  readonly dir: string;
  readonly resources: AsyncDisposableStack;
}

function makeStore({ reader, writer, signal, dir, resources }: Parts): EventStore {
  let closing: Promise<void> | undefined;
  const log: NumberedLog = {
    head: reader.head,
    range: reader.range,
    beyond: signal.beyond,
    pause: () => new Promise((resolve) => setImmediate(resolve)),
    closed: () => closing !== undefined,
  };
  function mustBeOpen(): void {
    if (closing) throw new EventStoreError('closed', 'The event store is closed');
  }
  function mustWrite(): Writer {
    mustBeOpen();
    if (!writer) throw new EventStoreError('read-only', `Event log ${dir}: it was opened for reading only`);
    return writer;
  }

  async function* readStream(
    stream: StreamId,
    from: Revision | undefined,
    limit: number,
    backward: boolean,
  ): AsyncGenerator<StoredEvent> {
    const spans = writer ? await writer.spans(stream) : reader.spans(stream);
    const last = spans.at(-1)?.revision ?? -1;
    let left = limit;
    for (let at = 0; at < spans.length && left > 0 && !closing; at++) {
      const span = spans[backward ? spans.length - 1 - at : at] as Span;
      const first = span.revision - span.events + 1;
      if (backward ? first > (from ?? last) : span.revision < (from ?? 0)) continue;
      const events = reader.range(span.position - span.events, span.position, undefined);
      if (backward) events.reverse();
      for (const event of events) {
        if (left > 0 && (backward ? event.revision <= (from ?? last) : event.revision >= (from ?? 0))) {
          left--;
          yield event;
        }
      }
      if (at % 500 === 499) await log.pause();
    }
  }

  const startOf = (after: Position | undefined) => (after === undefined ? 0 : parsePosition(after));
  return {
    obstacle: undefined,
    capabilities: { durableAck: true, maxCommitBytes: maxCommitLength },
    append: async (commit) => mustWrite().append(commit),
    appendBatch: async (commits) => mustWrite().appendBatch(commits),
    link: (from) => mustWrite().link(from),
    checkIndex() {
      mustBeOpen();
      return reader.checkIndex();
    },
    read(stream, { from, limit = Number.POSITIVE_INFINITY, backward = false } = {}) {
      mustBeOpen();
      return readStream(stream, from, limit, backward);
    },
    readAll({ after, filter, limit = Number.POSITIVE_INFINITY, json, signal: abort } = {}) {
      mustBeOpen();
      return replay(log, { after: startOf(after), head: reader.head(), filter, limit, json, signal: abort });
    },
    subscribe({ after, filter, signal: abort }) {
      mustBeOpen();
      return follow(log, { after: after === 'end' ? reader.head() : startOf(after), filter, signal: abort });
    },
    async head() {
      mustBeOpen();
      const head = reader.head();
      return head === 0 ? undefined : formatPosition(head);
    },
    [Symbol.asyncDispose]() {
      closing ??= Promise.resolve().then(() => {
        signal.close();
        return resources.disposeAsync();
      });
      return closing;
    },
  };
}
