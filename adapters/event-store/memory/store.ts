import {
  type AppendResult,
  type Commit,
  type EventStore,
  EventStoreError,
  type Filter,
  type JsonWish,
  type Position,
  type StoredEvent,
  type StreamId,
} from '../../../coordinator/ports/event-store.ts';
import { encodeCommit, isLine, maxCommitLength } from '../encode.ts';
import { follow, type NumberedLog, replay } from '../follow.ts';
import { createHeadSignal } from '../head-signal.ts';
import { formatPosition, parsePosition } from '../position.ts';

/** As stored: `data` is JSON text, so that neither writer nor reader shares an object with the log. */
type Row = Omit<StoredEvent, 'data'> & { readonly json: string };

function decode({ json, ...rest }: Row, wish?: JsonWish): StoredEvent {
  if (wish === 'instead' && isLine(json)) return { ...rest, data: undefined, json };
  return { ...rest, data: JSON.parse(json), ...(wish === 'beside' && { json }) };
}

function passes(row: Row, filter: Filter | undefined): boolean {
  if (filter?.types && !filter.types.includes(row.type)) return false;
  return filter?.streams?.some((prefix) => row.stream.startsWith(prefix)) ?? true;
}

/** The event store in memory: for simulations and tests. Nothing outlives the process, so `durableAck` is false. */
export function openMemoryEventStore(): EventStore {
  const log: Row[] = [];
  const streams = new Map<string, Row[]>();
  const commits = new Map<string, { revision: number; position: Position }>();
  const signal = createHeadSignal(0);
  let closed = false;

  const numbered: NumberedLog = {
    head: () => log.length,
    range: (after, upTo, filter, json) => {
      const events: StoredEvent[] = [];
      for (let at = after; at < upTo; at++) {
        const row = log[at];
        if (row && passes(row, filter)) events.push(decode(row, json));
      }
      return events;
    },
    beyond: (position, abort) => signal.beyond(position, abort),
    pause: () => Promise.resolve(),
    closed: () => closed,
  };

  function mustBeOpen() {
    if (closed) throw new EventStoreError('closed', 'The event store is closed');
  }

  function store(commit: Commit): AppendResult {
    const encoded = encodeCommit(commit);
    const first = commits.get(`${commit.stream} ${commit.id}`);
    if (first) return { ok: true, ...first, replayed: true };
    const stream = streams.get(commit.stream) ?? [];
    const actual = stream.length === 0 ? 'none' : stream.length - 1;
    if (commit.expected !== 'any' && commit.expected !== actual) return { ok: false, reason: 'wrong-revision', actual };
    for (const [at, event] of commit.events.entries()) {
      const { id, at: time, meta, previousHash } = commit;
      const row: Row = {
        stream: commit.stream,
        revision: stream.length,
        position: formatPosition(log.length + 1),
        commit: id,
        at: time,
        meta: { ...meta },
        ...(previousHash !== undefined && { previousHash }),
        type: event.type,
        version: event.version,
        json: encoded[at] as string,
      };
      stream.push(row);
      log.push(row);
    }
    streams.set(commit.stream, stream);
    const last = { revision: stream.length - 1, position: formatPosition(log.length) };
    commits.set(`${commit.stream} ${commit.id}`, last);
    return { ok: true, ...last, replayed: false };
  }

  async function* readStream(stream: StreamId, from: number | undefined, limit: number, backward: boolean) {
    const rows = streams.get(stream) ?? [];
    const last = rows.length - 1;
    let at = backward ? Math.min(from ?? last, last) : (from ?? 0);
    for (let left = limit; left > 0 && at >= 0 && at <= last; left--) {
      yield decode(rows[at] as Row);
      at += backward ? -1 : 1;
    }
  }

  return {
    obstacle: undefined,
    capabilities: { durableAck: false, maxCommitBytes: maxCommitLength },
    async append(commit) {
      mustBeOpen();
      const result = store(commit);
      signal.raise(log.length);
      return result;
    },
    async appendBatch(batch) {
      mustBeOpen();
      for (const commit of batch) encodeCommit(commit);
      const results = batch.map(store);
      signal.raise(log.length);
      return results;
    },
    read(stream, { from, limit = Number.POSITIVE_INFINITY, backward = false } = {}) {
      mustBeOpen();
      return readStream(stream, from, limit, backward);
    },
    readAll({ after, filter, limit = Number.POSITIVE_INFINITY, json, signal: abort } = {}) {
      mustBeOpen();
      return replay(numbered, {
        after: after ? parsePosition(after) : 0,
        head: log.length,
        filter,
        limit,
        json,
        signal: abort,
      });
    },
    subscribe({ after, filter, signal: abort }) {
      mustBeOpen();
      const start = after === 'end' ? log.length : after ? parsePosition(after) : 0;
      return follow(numbered, { after: start, filter, signal: abort });
    },
    async head() {
      mustBeOpen();
      return log.length === 0 ? undefined : formatPosition(log.length);
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      signal.close();
    },
  };
}
