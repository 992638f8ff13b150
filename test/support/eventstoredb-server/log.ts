import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A record as the double keeps it: data and metadata are the client's bytes, base64. */
export interface LogRecord {
  readonly stream: string;
  readonly revision: number;
  /** Commit and prepare position; records written together have one each, as on a real server. */
  readonly position: number;
  readonly id: string;
  readonly type: string;
  readonly contentType: string;
  readonly data: string;
  readonly metadata: string;
  readonly created: number;
}
export interface ProposedRecord {
  readonly id: string;
  readonly type: string;
  readonly contentType: string;
  readonly data: string;
  readonly metadata: string;
}
/** A revision, -1 for no stream, -2 for any, -4 for a stream that exists. */
export type ExpectedRevision = number;
export type AppendOutcome =
  | { readonly ok: true; readonly revision: number; readonly position: number }
  | { readonly ok: false; readonly actual: number };

export interface DoubleLog {
  readonly records: readonly LogRecord[];
  stream(name: string): readonly LogRecord[];
  append(stream: string, expected: ExpectedRevision, proposed: readonly ProposedRecord[]): AppendOutcome;
  /** Index of the first record at or after a position. */
  indexOf(position: number): number;
  /** Calls back after every append; gives a way to stop that. */
  onAppend(listener: () => void): () => void;
}

/**
 * The log of the double: in memory, or in a file that is written before an append is answered (without an fsync: it
 * survives the process, not the machine). Knows EventStoreDB's idempotence: records whose ids already are at the
 * expected place are not written again.
 */
export function openDoubleLog(dir?: string): DoubleLog {
  const records: LogRecord[] = [];
  const streams = new Map<string, LogRecord[]>();
  const listeners = new Set<() => void>();
  const file = dir && join(dir, 'records.ndjson');
  let nextPosition = 1000;

  function add(record: LogRecord): void {
    records.push(record);
    const stream = streams.get(record.stream);
    if (stream) stream.push(record);
    else streams.set(record.stream, [record]);
    nextPosition = record.position + 200 + Math.floor((record.data.length + record.metadata.length) * 0.75);
  }
  if (file && existsSync(file)) {
    for (const line of readFileSync(file, 'utf8').split('\n')) {
      // A line that was cut off by a kill had not been answered.
      if (line.endsWith(']')) for (const record of JSON.parse(line) as LogRecord[]) add(record);
    }
    appendFileSync(file, '\n');
  } else if (dir) mkdirSync(dir, { recursive: true });

  function alreadyThere(all: readonly LogRecord[], from: number, proposed: readonly ProposedRecord[]): boolean {
    return proposed.every(({ id }, at) => all[from + at]?.id === id);
  }

  return {
    records,
    stream: (name) => streams.get(name) ?? [],
    append(stream, expected, proposed) {
      const all = streams.get(stream) ?? [];
      const head = all.length - 1;
      const fits = expected === -2 || expected === head || (expected === -4 && head >= 0);
      // Without a revision the server knows only what was written last, too.
      const recent = Math.max(0, all.length - 100);
      const again = () => all.slice(recent).findIndex(({ id }) => id === proposed[0]?.id);
      const from = expected >= -1 ? expected + 1 : again() < 0 ? -1 : recent + again();
      if (from >= 0 && from < all.length && proposed.length > 0 && alreadyThere(all, from, proposed)) {
        const last = all[from + proposed.length - 1] as LogRecord;
        return { ok: true, revision: last.revision, position: last.position };
      }
      if (!fits) return { ok: false, actual: head };
      const added = proposed.map((event, at) => {
        const record = { ...event, stream, revision: head + 1 + at, position: nextPosition, created: Date.now() };
        add(record);
        return record;
      });
      if (file) appendFileSync(file, `${JSON.stringify(added)}\n`);
      for (const listener of listeners) listener();
      const last = added.at(-1);
      return { ok: true, revision: last?.revision ?? head, position: last?.position ?? 0 };
    },
    indexOf(position) {
      let low = 0;
      let high = records.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((records[middle] as LogRecord).position < position) low = middle + 1;
        else high = middle;
      }
      return low;
    },
    onAppend(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
