import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { openEventStoreDbEventStore } from '../../../adapters/event-store/eventstoredb/store.ts';
import { openMemoryEventStore } from '../../../adapters/event-store/memory/store.ts';
import { openSqliteEventStore } from '../../../adapters/event-store/sqlite/store.ts';
import type { ViewsFeed } from '../../../adapters/views/sqlite/feed.ts';
import { openSqliteViews } from '../../../adapters/views/sqlite/sqlite-views.ts';
import { verifyViews } from '../../../adapters/views/sqlite/verify.ts';
import { copyLog } from '../../../coordinator/log/log-copy.ts';
import type { EventStore, Position } from '../../../coordinator/ports/event-store.ts';
import { simulateFarm } from '../../projections/views/random-farm.ts';
import { startEventStoreDouble } from '../../support/eventstoredb-server/server.ts';
import { replaceLog } from '../../support/replace-log.ts';
import { appendAll, temporaryFolder } from './test-log.ts';

const farm = simulateFarm(
  Array.from({ length: 300 }, (_, at) => ({ does: (at * 7919) % 1000, pick: (at * 104_729) % 10_007 })),
);
const half = Math.floor(farm.events.length / 2);

async function follow(dir: string, store: EventStore, feed: ViewsFeed = { kind: 'port', store }): Promise<void> {
  await using views = await openSqliteViews({ dir, feed });
  await views.reached((await store.head()) as Position);
}

/** Rows of the views that are other than the log gives. */
async function differences(dir: string, store: EventStore): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const step of verifyViews(dir, store, new AbortController().signal))
    if (step.kind === 'difference') found.push(`${step.view} ${step.key}`);
  return found;
}

/** Views follow one log, which is then copied to another server, whose positions are as long and others, and goes on there. */
async function movesTo(here: EventStore, there: EventStore): Promise<void> {
  using folder = temporaryFolder();
  const dir = join(folder.path, 'views');
  await appendAll(here, farm.events.slice(0, half));
  await follow(dir, here);
  await copyLog(here, there);
  await appendAll(there, farm.events.slice(half));
  assert.notEqual(await eventAt(there, half), await eventAt(here, half));
  await follow(dir, there);
  assert.deepEqual(await differences(dir, there), []);
}

/** Position of the event with a number. */
async function eventAt(store: EventStore, number: number): Promise<Position | undefined> {
  let read = 0;
  for await (const { events } of store.readAll({ limit: number }))
    for (const { position } of events) if (++read === number) return position;
  return undefined;
}

test('a log that was copied from one EventStoreDB to another has its views made anew', async () => {
  await using first = await startEventStoreDouble();
  await using second = await startEventStoreDouble();
  const writer = { holder: 'a test' };
  await using here = await openEventStoreDbEventStore({ connectionString: first.url, writer });
  await using there = await openEventStoreDbEventStore({
    connectionString: second.url,
    writer: { holder: 'another, of a longer name' },
  });
  await movesTo(here, there);
});

test('a log that lost its end and went on otherwise, further than the views are, has its views made anew', async () => {
  using folder = temporaryFolder();
  const dir = join(folder.path, 'views');
  const other = farm.events.map((event, at) =>
    at < half ? event : { ...event, at: event.at + 1, commit: `${event.commit}-other` },
  );
  for (const name of ['memory', 'sqlite']) {
    await using one = await open(name, 'one');
    await appendAll(one.store, farm.events.slice(0, half + 5));
    await follow(dir, one.store, one.feed);
    await using two = await open(name, 'two');
    await appendAll(two.store, other);
    await follow(dir, two.store, two.feed);
    assert.deepEqual(await differences(dir, two.store), []);
  }

  async function open(engine: string, name: string) {
    const at = join(folder.path, engine, name);
    const store = engine === 'memory' ? openMemoryEventStore() : await openSqliteEventStore({ dir: at });
    const feed: ViewsFeed = engine === 'memory' ? { kind: 'port', store } : { kind: 'sqlite', dir: at };
    return { store, feed, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
  }
});

test('views that have seen further than their last event go on after it, as a restored log has others there', async () => {
  using folder = temporaryFolder();
  const dir = join(folder.path, 'views');
  await using store = openMemoryEventStore();
  const last = await appendAll(store, farm.events.slice(0, half));
  await follow(dir, store);
  // As an engine says of a log in which there are other things than events.
  const db = new DatabaseSync(join(dir, 'views.db'));
  db.prepare('UPDATE meta SET checkpoint = ?').run(String(Number(last) + 3).padStart(last.length, '0'));
  db.close();
  await appendAll(store, farm.events.slice(half));
  await follow(dir, store);
  assert.deepEqual(await differences(dir, store), []);
});

test('a log whose file is replaced while the views follow it is followed on', async () => {
  using folder = temporaryFolder();
  const dir = folder.path;
  const failures: unknown[] = [];
  const feed = { kind: 'sqlite', dir } as const;
  let store = await openSqliteEventStore({ dir });
  const middle = await appendAll(store, farm.events.slice(0, half));
  await using views = await openSqliteViews({ dir, feed, onFailure: (error) => failures.push(error), retryMs: 1 });
  await views.reached(middle);
  // As the coordinator has it when its disk fails, the log is restored, and it opens that.
  await store[Symbol.asyncDispose]();
  replaceLog(dir);
  store = await openSqliteEventStore({ dir });
  await using _store = store;
  await views.reached(await appendAll(store, farm.events.slice(half)));
  assert.match(failures.map(String).join(), /another log in the place of the one/);
  assert.deepEqual(await differences(dir, store), []);
});

test('views of the log that is there are kept', async () => {
  using folder = temporaryFolder();
  const dir = join(folder.path, 'views');
  await using server = await startEventStoreDouble();
  await using store = await openEventStoreDbEventStore({ connectionString: server.url, writer: { holder: 'a test' } });
  await appendAll(store, farm.events.slice(0, half));
  await follow(dir, store);
  // A row that no log gives is there still, where the views are.
  const db = new DatabaseSync(join(dir, 'views.db'));
  db.exec('UPDATE marks SET at = at + 1 WHERE seq = 1');
  db.close();
  await appendAll(store, farm.events.slice(half));
  await follow(dir, store);
  assert.deepEqual(await differences(dir, store), ['marks 1']);
});
