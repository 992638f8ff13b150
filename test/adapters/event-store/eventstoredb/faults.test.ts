import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  type EventStoreDbOptions,
  openEventStoreDbEventStore,
} from '../../../../adapters/event-store/eventstoredb/store.ts';
import type { Batch, EventStore, StoredEvent } from '../../../../coordinator/ports/event-store.ts';
import { collect, commitOf, stored } from '../../../contract/commits.ts';
import { forkDoubleAt } from '../../../support/eventstoredb-server/child.ts';
import { startEventStoreDouble } from '../../../support/eventstoredb-server/server.ts';

const open = (connectionString: string, options: Partial<EventStoreDbOptions> = {}) =>
  openEventStoreDbEventStore({
    connectionString,
    writer: { holder: 'test', leaseSeconds: 10 },
    // Also for the first answer, on a machine that is slow and busy.
    callSeconds: 2,
    backOff: { first: 5, most: 50 },
    ...options,
  });
const numbers = (events: readonly StoredEvent[]) => events.map(({ data }) => (data as { value: number }).value);
const upTo = (count: number) => Array.from({ length: count }, (_, n) => n);
const all = async (store: EventStore) => (await collect(store.readAll())).flatMap(({ events }) => events);

/** Follows the log until `count` events have come. */
async function follow(
  store: EventStore,
  count: number,
  onBatch: (batch: Batch) => void = () => {},
): Promise<StoredEvent[]> {
  const stop = new AbortController();
  const events: StoredEvent[] = [];
  for await (const batch of store.subscribe({ signal: stop.signal })) {
    events.push(...batch.events);
    onBatch(batch);
    if (events.length >= count) stop.abort();
  }
  return events;
}

describe('eventstoredb: faults', () => {
  it('an append whose answer is lost is found again, and stored once', async () => {
    await using server = await startEventStoreDouble();
    await using store = await open(server.url);
    for (const [n, expected] of (['none', 'any', 1] as const).entries()) {
      server.onAppends('swallow');
      const arrived = server.nextAppend();
      const appending = store.append(commitOf('build-1', expected, [n]));
      await arrived;
      server.onAppends('answer');
      assert.deepEqual([stored(await appending).revision, stored(await appending).replayed], [n, false]);
    }
    assert.deepEqual(numbers(await all(store)), [0, 1, 2]);
    assert.equal(store.obstacle, undefined);
  });

  it('an append that did not get through is sent again, with the same event ids', async () => {
    await using server = await startEventStoreDouble();
    await using store = await open(server.url);
    server.onAppends('ignore');
    const arrived = server.nextAppend();
    const commit = commitOf('build-1', 'none', [0, 1]);
    const appending = Promise.all([store.append(commit), store.append(commitOf('build-2', 'none', [2]))]);
    await arrived;
    server.onAppends('answer');
    for (const result of await appending) assert.equal(stored(result).replayed, false);
    assert.deepEqual(numbers(await all(store)), [0, 1, 2]);
  });

  it('an append goes on where another store of the process is closed before its answer comes', async () => {
    await using server = await startEventStoreDouble();
    await using elsewhere = await startEventStoreDouble();
    await using store = await open(server.url);
    // Which is closed at once, with no lease to give back before.
    const other = await open(elsewhere.url, { writer: 'shared' });
    stored(await other.append(commitOf('build-1', 'none', [0])));
    const arrived = server.nextAppend();
    const appending = store.append(commitOf('build-1', 'none', [1]));
    await arrived;
    await other[Symbol.asyncDispose]();
    assert.equal(stored(await appending).replayed, false);
    stored(await store.append(commitOf('build-1', 0, [2])));
    assert.deepEqual(numbers(await all(store)), [1, 2]);
  });

  it('what waits too long fails, and nothing handed over later is stored', async () => {
    await using server = await startEventStoreDouble();
    await using store = await open(server.url, { patienceSeconds: 1 });
    server.onAppends('ignore');
    const arrived = server.nextAppend();
    const first = store.append(commitOf('build-1', 'none', [0]));
    const second = store.append(commitOf('build-2', 'none', [1]));
    await arrived;
    await assert.rejects(first, { code: 'unavailable' });
    server.onAppends('answer');
    await assert.rejects(second, { code: 'unavailable' });
    await assert.rejects(store.append(commitOf('build-3', 'none', [2])), { code: 'unavailable' });
    assert.match(store.obstacle ?? '', /earlier append failed/);
    assert.deepEqual(await all(store), []);
  });

  it('what the server refuses stops what was handed over after it', async () => {
    await using server = await startEventStoreDouble();
    await using store = await open(server.url);
    stored(await store.append(commitOf('build-1', 'none', [0])));
    const arrived = server.nextAppend();
    server.onAppends('deny');
    const refused = store.append(commitOf('build-1', 0, [1]));
    const later = store.append(commitOf('build-2', 'none', [2]));
    await arrived;
    server.onAppends('answer');
    await assert.rejects(refused, { code: 'unavailable', message: /denies access/ });
    await assert.rejects(later, { code: 'unavailable', message: /earlier append failed/ });
    assert.deepEqual(numbers(await all(store)), [0]);
  });

  it('a dropped subscription goes on without a gap or a repeat', async () => {
    await using server = await startEventStoreDouble();
    await using store = await open(server.url);
    const rounds = 6;
    const each = 40;
    const following = [follow(store, rounds * each), follow(store, rounds * each)];
    for (let n = 0; n < rounds * each; n++) {
      if (n % each === 17) await server.dropConnections();
      stored(await store.append(commitOf(`build-${n % 5}`, 'any', [n])));
    }
    for (const events of await Promise.all(following)) assert.deepEqual(numbers(events), upTo(rounds * each));
  });

  it('kill -9 of the server in the middle: nothing acknowledged is lost or doubled, and it goes on by itself', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'drover-esdb-'));
    let server = await forkDoubleAt(dir);
    try {
      await using store = await open(server.url);
      const total = 600;
      const following = follow(store, total);
      const acknowledged: string[] = [];
      const half = Promise.withResolvers<void>();
      const commits = upTo(total).map((n) => commitOf(`build-${n % 7}`, 'any', [n]));
      const appending = commits.map(async (commit) => {
        const result = stored(await store.append(commit));
        acknowledged.push(result.position);
        if (acknowledged.length === total / 3) half.resolve();
        return result;
      });
      await half.promise;
      await server.kill();
      // Reads wait for the server too, and what stands in the way is said. A new store does not wait that long.
      const reading = all(store);
      await assert.rejects(open(server.url, { writer: false, callSeconds: 0.4 }), { code: 'unavailable' });
      assert.match(store.obstacle ?? '', /cannot be reached/);
      server = await forkDoubleAt(dir, server.port);
      const results = await Promise.all(appending);
      assert.ok(results.every(({ replayed }) => !replayed));
      assert.deepEqual(
        results.map(({ position }) => position),
        acknowledged,
      );
      assert.deepEqual(acknowledged, acknowledged.toSorted());
      assert.equal(store.obstacle, undefined);
      assert.ok((await reading).length >= total / 3);
      assert.deepEqual(numbers(await all(store)), upTo(total));
      assert.deepEqual(numbers(await following), upTo(total));
    } finally {
      await server.kill();
      await rm(dir, { recursive: true });
    }
  });

  it('closing does not wait for a server that is not there, and ends subscriptions', async () => {
    const server = await startEventStoreDouble();
    const store = await open(server.url, { patienceSeconds: 0.2 });
    const following = follow(store, 1);
    await server[Symbol.asyncDispose]();
    const appending = store.append(commitOf('build-1', 'none'));
    await assert.rejects(appending, { code: 'unavailable' });
    await store[Symbol.asyncDispose]();
    assert.deepEqual(await following, []);
  });

  it('opening says what is wrong where no server is', async () => {
    const server = await startEventStoreDouble();
    await server[Symbol.asyncDispose]();
    await assert.rejects(open(server.url, { callSeconds: 0.4 }), {
      code: 'unavailable',
      message: new RegExp(`127.0.0.1:${server.port}`),
    });
  });
});
