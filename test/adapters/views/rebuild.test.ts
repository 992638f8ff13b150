import assert from 'node:assert/strict';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { openMemoryEventStore } from '../../../adapters/event-store/memory/store.ts';
import { openSqliteEventStore } from '../../../adapters/event-store/sqlite/store.ts';
import { openSqliteViews } from '../../../adapters/views/sqlite/sqlite-views.ts';
import { makeStoppedViews } from '../../../adapters/views/sqlite/stopped.ts';
import type { EventStore } from '../../../coordinator/ports/event-store.ts';
import type { Views } from '../../../coordinator/ports/views.ts';
import { simulateFarm } from '../../projections/views/random-farm.ts';
import { dumpTables } from '../../projections/views/views-in-memory.ts';
import { appendAll, temporaryFolder } from './test-log.ts';

const farm = simulateFarm(
  Array.from({ length: 400 }, (_, at) => ({ does: (at * 7919) % 1000, pick: (at * 104_729) % 10_007 })),
);
const [first] = [...farm.builds.values()];
const id = first?.id as string;
const never = new AbortController().signal;

/** Whatever the log says, a row says something else. */
function plant(dir: string): void {
  using db = new DatabaseSync(join(dir, 'views.db'), { timeout: 5000 });
  db.exec(`UPDATE builds SET reason = 'planted' WHERE id = '${id}'`);
}
const reasonOf = (views: Views): string | undefined => views.build(id)?.reason;

function dump(dir: string): Record<string, unknown> {
  using db = new DatabaseSync(join(dir, 'views.db'), { readOnly: true });
  return dumpTables(db);
}

async function fresh(store: EventStore): Promise<Record<string, unknown>> {
  using folder = temporaryFolder();
  {
    await using views = await openSqliteViews({ dir: folder.path, feed: { kind: 'port', store } });
    await views.reached((await store.head()) as string);
  }
  return dump(folder.path);
}

describe('views that are rebuilt', () => {
  for (const kind of ['sqlite', 'port'] as const)
    it(`are read as they were until the new ones have caught up, and are right then (${kind})`, async () => {
      using folder = temporaryFolder();
      await using store = kind === 'sqlite' ? await openSqliteEventStore({ dir: folder.path }) : openMemoryEventStore();
      const feed = kind === 'sqlite' ? { kind, dir: folder.path } : { kind, store };
      await using views = await openSqliteViews({ dir: folder.path, feed });
      await views.reached(await appendAll(store, farm.events.slice(0, -5)));
      plant(folder.path);
      assert.equal(reasonOf(views), 'planted');
      let steps = 0;
      for await (const { events, total } of views.rebuild(never)) {
        // What comes meanwhile is in them too.
        if (steps++ === 0) await views.reached(await appendAll(store, farm.events.slice(-5)));
        assert.equal(reasonOf(views), 'planted', 'the old ones are read');
        assert.ok(events <= farm.events.length);
        if (kind === 'sqlite') assert.ok((total ?? 0) >= farm.events.length - 5);
        await assert.rejects(views.rebuild(never)[Symbol.asyncIterator]().next(), { code: 'views-rebuilding' });
      }
      assert.ok(steps > 1);
      assert.notEqual(reasonOf(views), 'planted');
      await views.reached((await store.head()) as string);
      assert.deepEqual(dump(folder.path), await fresh(store));
      // They are kept on as before, and can be rebuilt again.
      const last = { ...(farm.events.at(-1) as (typeof farm.events)[number]), commit: 'later' };
      await views.reached(await appendAll(store, [last]));
      for await (const _ of views.rebuild(never)) assert.ok(reasonOf(views));
      assert.deepEqual(
        readdirSync(folder.path).filter((name) => name.includes('.new')),
        [],
      );
    });

  it('stay as they were where the rebuild is cut off, at any step', async () => {
    using folder = temporaryFolder();
    await using store = openMemoryEventStore();
    const head = await appendAll(store, farm.events);
    const open = () => openSqliteViews({ dir: folder.path, feed: { kind: 'port', store } });
    {
      await using views = await open();
      await views.reached(head);
      plant(folder.path);
      const stop = new AbortController();
      await assert.rejects(async () => {
        for await (const _ of views.rebuild(stop.signal)) stop.abort(new Error('enough'));
      }, /enough/);
      for await (const _ of views.rebuild(never)) break;
      assert.equal(reasonOf(views), 'planted');
      assert.ok(!existsSync(join(folder.path, 'views.db.new')));
    }
    // As a crash would leave it: the next start takes no notice of it.
    writeFileSync(join(folder.path, 'views.db.new'), 'half of a file');
    await using views = await open();
    assert.equal(reasonOf(views), 'planted');
    assert.ok(!existsSync(join(folder.path, 'views.db.new')));
  });

  it('are made anew in the folder of one that is stopped, also where it was killed', async () => {
    using folder = temporaryFolder();
    await using store = openMemoryEventStore();
    const head = await appendAll(store, farm.events);
    {
      await using views = await openSqliteViews({ dir: folder.path, feed: { kind: 'port', store } });
      await views.reached(head);
    }
    plant(folder.path);
    // What was killed has left a write-ahead log: it must not meet the new file.
    using left = new DatabaseSync(join(folder.path, 'views.db'));
    left.exec(`UPDATE builds SET reason = 'left in the log' WHERE id = '${id}'`);
    assert.ok(existsSync(join(folder.path, 'views.db-wal')));
    const steps: number[] = [];
    for await (const { events } of makeStoppedViews(folder.path, store, never)) steps.push(events);
    assert.equal(steps.at(-1), farm.events.length);
    assert.deepEqual(dump(folder.path), await fresh(store));
  });
});
