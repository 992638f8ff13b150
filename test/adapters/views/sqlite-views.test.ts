import assert from 'node:assert/strict';
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
  Array.from({ length: 600 }, (_, at) => ({ does: (at * 7919) % 1000, pick: (at * 104_729) % 10_007 })),
);
const half = Math.floor(farm.events.length / 2);

function dump(dir: string): Record<string, unknown> {
  const db = new DatabaseSync(join(dir, 'views.db'));
  try {
    return dumpTables(db);
  } finally {
    db.close();
  }
}

test('an engine without a thread of its own is followed, catching up and live', async () => {
  using folder = temporaryFolder();
  await using store = openMemoryEventStore();
  const middle = await appendAll(store, farm.events.slice(0, half));
  {
    await using views = await openSqliteViews({ dir: folder.path, feed: { kind: 'port', store } });
    await views.reached(middle);
    await views.reached(await appendAll(store, farm.events.slice(half)));
    for (const { id, state, attempt } of farm.builds.values()) {
      const build = views.build(id);
      assert.equal(build?.state, state);
      if (build.attempts.length < 2) assert.equal(build.attempt, attempt);
      assert.ok(views.ids('builds', id, 100).some((found) => found.id === id && found.name === build.derivation));
    }
    const all = { limit: 1000 };
    for (const { id } of views.submissions(all).rows)
      assert.ok(views.ids('submissions', id, 100).some((found) => found.id === id));
    for (const { path } of views.items({}, all).rows)
      for (const prefix of [path.slice(0, 32), path]) assert.equal(views.ids('items', prefix, 5)[0]?.id, path);
    for (const { derivation } of views.builds({}, all).rows)
      for (const prefix of [derivation.slice(0, 32), derivation])
        assert.equal(views.ids('derivations', prefix, 5)[0]?.id, derivation);
    assert.equal(views.ids('builds', '', 3).length, 3);
    assert.deepEqual(views.ids('builds', 'no such', 3), []);
  }
  using second = temporaryFolder();
  {
    await using views = await openSqliteViews({ dir: second.path, feed: { kind: 'port', store } });
    await views.reached((await store.head()) as string);
  }
  assert.deepEqual(dump(folder.path), dump(second.path));
});

test('the SQLite event store is followed by the thread itself, and taken up where it was left', async () => {
  using folder = temporaryFolder();
  await using store = await openSqliteEventStore({ dir: folder.path });
  const feed = { kind: 'sqlite', dir: folder.path } as const;
  const first = join(folder.path, 'first');
  const middle = await appendAll(store, farm.events.slice(0, half));
  {
    await using views = await openSqliteViews({ dir: first, feed });
    await views.reached(middle);
  }
  const head = await appendAll(store, farm.events.slice(half, -1));
  {
    await using views = await openSqliteViews({ dir: first, feed });
    // At once where everything was in the views before.
    await views.reached(middle);
    await views.reached(head);
    await views.reached(await appendAll(store, farm.events.slice(-1)));
  }
  const second = join(folder.path, 'second');
  {
    await using views = await openSqliteViews({ dir: second, feed });
    await views.reached((await store.head()) as string);
  }
  assert.deepEqual(dump(first), dump(second));
});

test('closing ends the waiting, and later reads are refused', async () => {
  using folder = temporaryFolder();
  await using store = openMemoryEventStore();
  const views = await openSqliteViews({ dir: folder.path, feed: { kind: 'port', store } });
  const waiting = assert.rejects(views.reached('0000000000000001'), { code: 'not-ready' });
  await views[Symbol.asyncDispose]();
  await waiting;
  assert.throws(() => views.builds({}, { limit: 1 }), { code: 'not-ready' });
  await assert.rejects(views.reached('0000000000000001'), { code: 'not-ready' });
});

test('an event store that cannot be opened is told at the opening', async () => {
  using folder = temporaryFolder();
  const feed = { kind: 'sqlite', dir: join(folder.path, 'nowhere') } as const;
  await assert.rejects(openSqliteViews({ dir: folder.path, feed, retryMs: 1 }));
});

test('what keeps them from what was stored is said until they go on', async () => {
  using folder = temporaryFolder();
  await using store = openMemoryEventStore();
  const [failed, again] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let begun = 0;
  const failing = {
    ...store,
    async *subscribe(options: Parameters<typeof store.subscribe>[0]) {
      if (begun++ > 0) await again.promise;
      for await (const batch of store.subscribe(options)) {
        if (begun === 1 && batch.events.length > 0) throw new Error('the disk is full');
        yield batch;
      }
    },
  };
  const feed = { kind: 'port', store: failing } as const;
  await using views = await openSqliteViews({ dir: folder.path, feed, onFailure: () => failed.resolve(), retryMs: 1 });
  assert.equal(views.trouble(), undefined);
  const head = await appendAll(store, farm.events);
  views.stored(head);
  await failed.promise;
  assert.equal(views.trouble(), 'the disk is full');
  again.resolve();
  await views.reached(head);
  assert.equal(views.trouble(), undefined);
});

test('a subscription that fails is told, and taken up again without losing an event', async () => {
  using folder = temporaryFolder();
  await using store = openMemoryEventStore();
  const failures: unknown[] = [];
  let broken = false;
  const failing = {
    ...store,
    async *subscribe(options: Parameters<typeof store.subscribe>[0]) {
      for await (const batch of store.subscribe(options)) {
        if (!broken && batch.events.length > 0) {
          broken = true;
          throw new Error('the line is cut');
        }
        yield batch;
      }
    },
  };
  await using views = await openSqliteViews({
    dir: folder.path,
    feed: { kind: 'port', store: failing },
    onFailure: (error) => failures.push(error),
    retryMs: 1,
  });
  await appendAll(store, farm.events.slice(0, half));
  await views.reached(await appendAll(store, farm.events.slice(half)));
  assert.deepEqual(failures.map(String), ['Error: the line is cut']);
  assert.equal(views.builds({}, { limit: 1000 }).rows.length, farm.builds.size);
});
