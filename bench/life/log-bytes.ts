import { cpSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { packLog } from '../../adapters/event-store/sqlite/pack.ts';
import { defaultPacking } from '../../adapters/event-store/sqlite/packer.ts';
import { openSqliteEventStore } from '../../adapters/event-store/sqlite/store.ts';
import type { Commit, EventStore, JsonWish } from '../../coordinator/ports/event-store.ts';
import { medianOf } from '../figures.ts';
import { type BenchOptions, freshFolder, type Report } from '../row.ts';
import { logFolder } from './life.ts';
import { findLog } from './replay.ts';

const rounds = 5;

/** What the log of a whole life takes on the disk, and what of it; and reading it, beside the same log in rows. */
export async function run(report: Report, { work, quick }: BenchOptions): Promise<void> {
  const name = await findLog(work);
  const left = statSync(join(logFolder(work, name), 'events.db')).size;
  const packed = await freshFolder(work, 'log-packed');
  cpSync(logFolder(work, name), packed, { recursive: true });
  const rows = await freshFolder(work, 'log-rows');
  const builds = await copyAsRows(packed, rows);

  const cpu = process.cpuUsage();
  await packLog(packed);
  const { user, system } = process.cpuUsage(cpu);
  const parts = partsOf(packed);
  const all = statSync(join(packed, 'events.db')).size;
  const each = (bytes: number): string => (bytes / builds).toFixed(0);
  report({
    key: 'log-bytes',
    name: 'the log on the disk',
    value: all / builds,
    unit: 'bytes/build',
    note: `of ${builds} builds of ${name}, as the life of them left it ${each(left)}, and in rows ${each(statSync(join(rows, 'events.db')).size)}; data ${each(parts.data)}, what is around them ${each(parts.head)}, the index of streams ${each(parts.index)}, ${parts.rows} events in rows ${each(parts.rowBytes)}; ${((user + system) / builds).toFixed(0)} µs a build for what was not packed yet`,
  });

  for (const json of [undefined, 'instead'] as const) {
    await using stores = new AsyncDisposableStack();
    const both: EventStore[] = [];
    for (const dir of [packed, rows]) both.push(stores.use(await openSqliteEventStore({ dir, readOnly: true })));
    const [ofPacked, ofRows] = both as [EventStore, EventStore];
    const figures: { packed: number; rows: number }[] = [];
    // The first reading finds the files in the system's cache or not, and code that is not compiled.
    for (let round = 0; round <= (quick ? 1 : rounds); round++) {
      const figure = { packed: await microsOfReading(ofPacked, json), rows: await microsOfReading(ofRows, json) };
      if (round > 0) figures.push(figure);
    }
    const [inBlocks, inRows] = [medianOf(figures.map((f) => f.packed)), medianOf(figures.map((f) => f.rows))];
    const what = json === undefined ? 'read and parsed' : 'read as text, for readers of the feed';
    report({
      key: `log-read-${json ?? 'parsed'}-rows`,
      name: `the log in rows, ${what}`,
      value: inRows,
      unit: 'µs/event',
      note: `processor time, median of ${figures.length}, in turns`,
    });
    report({
      key: `log-read-${json ?? 'parsed'}`,
      name: `the log, ${what}`,
      value: inBlocks,
      unit: 'µs/event',
      note: `processor time; median of pairs ${medianOf(figures.map((f) => f.packed / f.rows)).toFixed(2)} × in rows`,
    });
  }
}

/** The same log, of which nothing is packed. Gives the number of builds in it. */
async function copyAsRows(from: string, to: string): Promise<number> {
  await using source = await openSqliteEventStore({ dir: from, readOnly: true });
  const packing = { ...defaultPacking, keep: Number.MAX_SAFE_INTEGER };
  await using target = await openSqliteEventStore({ dir: to, packing });
  let builds = 0;
  for await (const { events } of source.readAll()) {
    const commits = new Map<string, Commit & { events: Commit['events'][number][] }>();
    for (const { commit: id, stream, type, version, data, at, meta, previousHash } of events) {
      if (type === 'BuildSubmitted') builds++;
      const commit = commits.get(id) ?? {
        id,
        stream,
        expected: 'any',
        at,
        meta,
        events: [],
        previousHash: previousHash ?? '',
      };
      commit.events.push({ type, version, data });
      commits.set(id, commit);
    }
    await target.appendBatch([...commits.values()]);
  }
  return builds;
}

function partsOf(dir: string): { data: number; head: number; index: number; rows: number; rowBytes: number } {
  using db = new DatabaseSync(join(dir, 'events.db'), { readOnly: true });
  const blocks = db.prepare('SELECT sum(length(data)) AS data, sum(length(head)) AS head FROM blocks').get();
  const pages = db.prepare('SELECT name, sum(pgsize) AS bytes FROM dbstat GROUP BY name').all();
  const bytesOf = (table: string): number => Number(pages.find(({ name }) => name === table)?.bytes ?? 0);
  return {
    data: Number(blocks?.data ?? 0),
    head: Number(blocks?.head ?? 0),
    index: bytesOf('stream_index'),
    rows: Number(db.prepare('SELECT count(*) AS n FROM events').get()?.n),
    rowBytes: bytesOf('events'),
  };
}

async function microsOfReading(store: EventStore, json: JsonWish | undefined): Promise<number> {
  const cpu = process.cpuUsage();
  let count = 0;
  for await (const { events } of store.readAll(json === undefined ? {} : { json })) count += events.length;
  const { user, system } = process.cpuUsage(cpu);
  return (user + system) / count;
}
