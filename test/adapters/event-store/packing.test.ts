import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, it } from 'node:test';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { packLog } from '../../../adapters/event-store/sqlite/pack.ts';
import { reindex } from '../../../adapters/event-store/sqlite/reindex.ts';
import { openSqliteEventStore } from '../../../adapters/event-store/sqlite/store.ts';
import type { Filter, JsonWish, StoredEvent } from '../../../coordinator/ports/event-store.ts';
import { commitOf } from '../../contract/commits.ts';

const folders: string[] = [];
after(() => {
  for (const dir of folders) rmSync(dir, { recursive: true });
});
const packing = { keep: 4, events: 8, length: 4096, most: 1e6, freePages: 4 };
/** Nothing is packed by itself. */
const never = { ...packing, keep: 1e9 };

/** A log of 80 events, two a commit, that is not packed. */
async function filled(sql = ''): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'drover-packing-'));
  folders.push(dir);
  {
    await using store = await openSqliteEventStore({ dir, packing: never });
    await store.appendBatch(
      Array.from({ length: 40 }, (_, n) => ({
        ...commitOf(`${n % 4 ? 'build' : 'agent'}-${n % 5}`, 'any', [`é${n}`, 'x'.repeat(n * 10)]),
        meta: { actor: `a${n % 3}`, ...(n % 2 && { causation: `c-${n}@1` }), ...(n % 3 && { trace: 't' }) },
        ...(n > 10 && { previousHash: `hash ${n}` }),
      })),
    );
  }
  change(dir, sql);
  return dir;
}
function change(dir: string, sql: string): void {
  using db = new DatabaseSync(join(dir, 'events.db'));
  db.exec(sql);
}
async function read(dir: string, options: { filter?: Filter; json?: JsonWish; after?: string } = {}) {
  const events: StoredEvent[] = [];
  await using store = await openSqliteEventStore({ dir, readOnly: true });
  for await (const batch of store.readAll(options)) events.push(...batch.events);
  return events;
}

it('what is packed is what was there, in every way of reading', async () => {
  // Data that Drover does not write, in places that are packed.
  const dir = await filled(`UPDATE events SET data = '{"value":' || char(10) || '7}', type = 'Odd' WHERE position = 3`);
  const ways = [
    {},
    { json: 'beside' },
    { json: 'instead' },
    { filter: { types: ['Odd'] } },
    { filter: { types: ['None'] } },
    { filter: { streams: ['agent-'] } },
    { filter: { streams: ['ag', 'build-3'] } },
    { filter: { streams: ['root-'] } },
    { after: '0000000000000037', filter: { streams: ['build-'] } },
  ] satisfies Parameters<typeof read>[1][];
  const before: StoredEvent[][] = [];
  for (const way of ways) before.push(await read(dir, way));
  const told: number[] = [];
  const { events, packed } = await packLog(dir, {
    packing,
    begin: (count) => void told.push(count),
    packed: (count) => void told.push(count),
  });
  assert.equal(told[0], events);
  assert.deepEqual(
    told.slice(1),
    told.slice(1).toSorted((a, b) => a - b),
  );
  assert.ok(told.length > 4 && told.at(-1) === packed, `it is told how it gets on: ${told}`);
  assert.ok(events === 80 && packed >= 64 && packed <= 76, `${packed} of ${events}`);
  for (const [index, way] of ways.entries()) assert.deepEqual(await read(dir, way), before[index], JSON.stringify(way));
  assert.equal((await read(dir, { json: 'instead' }))[2]?.json, undefined, 'no line');
  using db = new DatabaseSync(join(dir, 'events.db'), { readOnly: true });
  assert.equal(
    db.prepare('SELECT sum(length(type)) > 0 AS rows, count(*) AS n FROM log').get()?.n,
    80 - packed + packed / 8,
  );
  const { data } = db.prepare('SELECT data FROM blocks ORDER BY last LIMIT 1').get() as { data: Uint8Array };
  assert.equal(zstdDecompressSync(data).toString().split('\n')[0], '{"value":"é0"}', 'as it is documented');
});

const programs = ['sqlite3', 'zstdcat'];
const absent = programs.filter((program) => spawnSync(program, ['--version']).error !== undefined);
it('is read by hand as it is documented', { skip: absent.length > 0 && `no ${absent.join(', ')}` }, async () => {
  const dir = await filled();
  const { packed } = await packLog(dir, { packing });
  assert.ok(packed > packing.events && packed < 80);
  const [, script = ''] = /```sh\n(sqlite3 [^`]*block-[^`]*)```/.exec(readFileSync('docs/engines.md', 'utf8')) ?? [];
  const { stdout, stderr } = spawnSync('sh', ['-ec', script], { cwd: dir, encoding: 'utf8' });
  const all = await read(dir, { json: 'instead' });
  assert.deepEqual([stdout, stderr], [all.map(({ json }) => `${json}\n`).join(''), '']);
});

it('names the events of a block that is damaged, and reads all before it', async () => {
  const dir = await filled();
  await packLog(dir, { packing });
  change(
    dir,
    "UPDATE blocks SET data = CAST(substr(data, 1, 40) || x'ff' || substr(data, 42) AS BLOB) WHERE last = 24",
  );
  const seen: StoredEvent[] = [];
  await using store = await openSqliteEventStore({ dir, readOnly: true });
  for await (const { events } of store.readAll({ limit: 16 })) seen.push(...events);
  assert.equal(seen.length, 16);
  const damaged = { code: 'damaged', message: /the events 17 to 24 are in a block that cannot be read/ };
  await assert.rejects(read(dir), damaged);
  assert.equal((await read(dir, { after: '0000000000000024' })).length, 56, 'and all behind it');
  change(dir, 'DELETE FROM blocks WHERE last = 24');
  await assert.rejects(read(dir), { code: 'damaged', message: /the event 17 is missing/ });
  change(dir, 'DELETE FROM blocks WHERE last < 24');
  await assert.rejects(openSqliteEventStore({ dir }), { code: 'damaged', message: /the log starts at event 25/ });
});

it('names what of a block, or of a row, is no event', async () => {
  const dir = await filled();
  await packLog(dir, { packing });
  change(dir, `UPDATE events SET data = '{"value":' WHERE position = 79`);
  const after = { after: '0000000000000070' };
  await assert.rejects(read(dir, after), { code: 'damaged', message: /the data of the event 79, build-4@10, cannot/ });
  const texts = ['{"value":7}', '{"value":\n'.repeat(8).trimEnd()];
  for (const text of texts) {
    using db = new DatabaseSync(join(dir, 'events.db'));
    const data = Buffer.from(text);
    db.prepare('UPDATE blocks SET data = ?, data_bytes = ? WHERE last = 24').run(zstdCompressSync(data), data.length);
    await assert.rejects(read(dir), { code: 'damaged', message: /the events 17 to 24 are in a block that cannot/ });
  }
});

it('tells where a block says that other events are in it, and says it anew', async () => {
  const dir = await filled();
  await packLog(dir, { packing });
  const all = await read(dir);
  async function fault(): Promise<string | undefined> {
    await using store = await openSqliteEventStore({ dir, readOnly: true });
    const check = store.checkIndex?.();
    for (const event of all) check?.add(event);
    return check?.end()?.message;
  }
  reindex(dir);
  assert.equal(await fault(), undefined);
  for (const [column, said] of [
    ['types', '[]'],
    ['categories', '["agent"]'],
    ['types', 'no JSON'],
  ] as const) {
    change(dir, `UPDATE blocks SET ${column} = '${said}' WHERE last = 24`);
    assert.match((await fault()) ?? '', new RegExp(`events 17 to 24 says that it has the ${column}`));
    reindex(dir);
    assert.equal(await fault(), undefined);
  }
});

it('a log of before there were blocks is read as it is, then packed, and its room given back', async () => {
  const dir = await filled(
    'DROP VIEW log; DROP TABLE blocks; CREATE VIEW log AS SELECT position FROM events; PRAGMA user_version = 2; PRAGMA auto_vacuum = NONE; VACUUM',
  );
  const before = await read(dir);
  const size = statSync(join(dir, 'events.db')).size;
  const packed = await packLog(dir, { packing });
  assert.ok(packed.before === size && packed.after < size, JSON.stringify(packed));
  assert.deepEqual(await read(dir), before);
  await using store = await openSqliteEventStore({ dir });
  const again = await store.append({ ...commitOf('build-1', 'none', [1]), id: before[2]?.commit as string });
  assert.deepEqual(again, { ok: true, revision: 1, position: '0000000000000004', replayed: true });
});

it('a writer packs by itself while it appends, and gives back what it needed for that', async () => {
  const dir = await filled();
  const file = join(dir, 'events.db');
  await using store = await openSqliteEventStore({
    dir,
    packing: { keep: 16, events: 64, length: 1e6, most: 256, freePages: 4 },
    notPacked: (reason) => assert.fail(reason),
  });
  const text = 'y'.repeat(2000);
  await store.appendBatch(Array.from({ length: 2000 }, (_, n) => commitOf('item-1', 'any', [text, n])));
  const db = new DatabaseSync(file, { readOnly: true });
  const packed = db.prepare('SELECT max(last) AS last FROM blocks');
  const free = db.prepare('PRAGMA freelist_count');
  // Each append is a moment after which there may be nothing else to do.
  let more = 0;
  for (; Number(packed.get()?.last) < 4000 || Number(free.get()?.freelist_count) > 16; more++)
    await store.append(commitOf('item-1', 'any', [more]));
  // Whoever closes the file last moves what is beside it into it.
  db.close();
  const values = (await read(dir)).map(({ data }) => (data as { value: unknown }).value);
  assert.deepEqual([values.length, values[80], values.at(-1)], [4080 + more, text, more - 1]);
  await store[Symbol.asyncDispose]();
  const { size } = statSync(file);
  assert.ok(size < 2_000_000, `${size} bytes for 4 MB of data`);
});
