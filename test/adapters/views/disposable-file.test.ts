import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { openMemoryEventStore } from '../../../adapters/event-store/memory/store.ts';
import { openSqliteEventStore } from '../../../adapters/event-store/sqlite/store.ts';
import { openSqliteViews } from '../../../adapters/views/sqlite/sqlite-views.ts';
import { simulateFarm } from '../../projections/views/random-farm.ts';
import { dumpTables } from '../../projections/views/views-in-memory.ts';
import { appendAll, temporaryFolder } from './test-log.ts';

const farm = simulateFarm(
  Array.from({ length: 3000 }, (_, at) => ({ does: (at * 7919) % 1000, pick: (at * 104_729) % 10_007 })),
);

async function withViews(spoil: (file: string) => void): Promise<void> {
  using folder = temporaryFolder();
  const file = join(folder.path, 'views.db');
  await using store = openMemoryEventStore();
  const head = await appendAll(store, farm.events);
  const feed = { kind: 'port', store } as const;
  {
    await using views = await openSqliteViews({ dir: folder.path, feed });
    await views.reached(head);
  }
  const before = dump(file);
  spoil(file);
  {
    await using views = await openSqliteViews({ dir: folder.path, feed, retryMs: 1 });
    await views.reached(head);
    try {
      views.builds({}, { limit: 1000 });
    } catch (error) {
      // Damage that shows only when the page is read.
      assert.equal((error as { code?: unknown }).code, 'not-ready');
      await views.reached(head);
    }
    assert.equal(views.builds({}, { limit: 1000 }).rows.length, Math.min(1000, farm.builds.size));
  }
  assert.deepEqual(dump(file), before);
}

function dump(file: string): Record<string, unknown> {
  const db = new DatabaseSync(file);
  try {
    return dumpTables(db);
  } finally {
    db.close();
  }
}

test('a file that is no database is made anew', () =>
  withViews((file) => writeFileSync(file, 'not a database'.repeat(1000))));

test('an empty file is made anew', () => withViews((file) => truncateSync(file, 0)));

test('a file that lost its end is made anew', () => withViews((file) => truncateSync(file, 4096 * 3)));

test('a file of another schema version is made anew', () =>
  withViews((file) => {
    const db = new DatabaseSync(file);
    db.exec('DELETE FROM builds');
    db.exec('PRAGMA user_version = 1');
    db.close();
  }));

test('a file with another table in the place of one is made anew', () =>
  withViews((file) => {
    const db = new DatabaseSync(file);
    db.exec('DROP TABLE builds; CREATE TABLE builds (seq INTEGER PRIMARY KEY)');
    db.close();
  }));

test('damage that is found by a read makes the file anew', () =>
  withViews((file) => {
    // The first pages, with the schema and the checkpoint, stay as they are.
    const handle = openSync(file, 'r+');
    const size = statSync(file).size;
    for (let at = 4096 * 3; at < size; at += 4096) writeSync(handle, Buffer.alloc(4096, 0xff), 0, 4096, at);
    closeSync(handle);
  }));

test('a process that is killed while it writes leaves a file that is taken up again (I3)', async () => {
  using folder = temporaryFolder();
  await using store = await openSqliteEventStore({ dir: folder.path });
  const feed = { kind: 'sqlite', dir: folder.path } as const;
  const dir = join(folder.path, 'killed');
  await appendAll(store, farm.events.slice(0, 500));
  const child = spawn(
    process.execPath,
    [...process.execArgv, new URL('./killed-views.ts', import.meta.url).pathname, dir, folder.path],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const ended = once(child, 'exit');
  // It says something once it has written the first events, and goes on with one transaction per event.
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await ended;
  const head = await appendAll(store, farm.events.slice(500));
  for (const name of ['killed', 'rebuilt']) {
    await using views = await openSqliteViews({ dir: join(folder.path, name), feed });
    await views.reached(head);
  }
  assert.deepEqual(dump(join(dir, 'views.db')), dump(join(folder.path, 'rebuilt', 'views.db')));
});
