import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { emptyChain, takeUpChain } from '../../coordinator/audit/chain.ts';
import { createVerifier } from '../../coordinator/audit/verifier.ts';
import type {
  AppendResult,
  Batch,
  Commit,
  EventStore,
  Position,
  StoredEvent,
} from '../../coordinator/ports/event-store.ts';
import { anyCharacter } from '../support/any-character.ts';
import { times } from '../support/times.ts';
import { collect, commitOf, stored } from './commits.ts';

/** A place that a store can be opened at again and again, with what it held. */
export interface Place extends AsyncDisposable {
  open(): Promise<EventStore>;
  /** Another store on the same log, that writes beside others; where {@link ContractOptions.rivals} says so. */
  openRival?(): Promise<EventStore>;
  /** `kill -9` of the engine's server, and a new one on what it has left; where {@link ContractOptions.restarts} says so. */
  restartServer?(): Promise<void>;
}
export interface ContractOptions {
  /** Whether a store opened again has what was in it. */
  readonly reopens: boolean;
  /** Whether two stores can write to one log at once. */
  readonly rivals?: boolean;
  /** Whether there is a server that can be killed and started again. */
  readonly restarts?: boolean;
  /** How many streams are many. Default 100,000; less where each costs a round trip. */
  readonly manyStreams?: number;
  /** How many events are more than it gives in one batch of a read. Default 2500: engines give 2000. */
  readonly overABatch?: number;
  /** Whether each append costs a round trip of its own: fewer are tried. */
  readonly costly?: boolean;
  /** Only what the version of a server can change: what it expects, whom it answers, what it keeps through a kill. What the engine's code does of it is tested elsewhere. */
  readonly serverOnly?: boolean;
}

const anyText = fc.string({ minLength: 1, unit: anyCharacter }).map((name) => name.replaceAll(/\p{Cc}/gu, '_'));
const anyMeta = fc.record(
  { actor: anyText, correlation: anyText, causation: anyText, trace: anyText },
  { requiredKeys: ['actor'], noNullPrototype: true },
);
const anyCommit = fc.tuple(
  anyMeta,
  fc.array(fc.jsonValue({ stringUnit: anyCharacter }), { minLength: 1, maxLength: 3 }),
);

async function eventsOf(batches: AsyncIterable<Batch>): Promise<StoredEvent[]> {
  return (await collect(batches)).flatMap(({ events }) => events);
}
const values = (events: readonly StoredEvent[]) => events.map(({ data }) => (data as { value: unknown }).value);

/** Reads live until `count` events have come, then stops. */
async function take(
  store: EventStore,
  count: number,
  options: { after?: Position | 'end'; onBatch?: (batch: Batch) => unknown } = {},
): Promise<StoredEvent[]> {
  const stop = new AbortController();
  const events: StoredEvent[] = [];
  const { onBatch, ...rest } = options;
  for await (const batch of store.subscribe({ ...rest, signal: stop.signal })) {
    events.push(...batch.events);
    await onBatch?.(batch);
    if (events.length >= count) stop.abort();
  }
  return events;
}

/** Every event once, in the order of the log, revisions without a hole. */
function assertWholeLog(events: readonly StoredEvent[]): void {
  const heads = new Map<string, number>();
  let last = '';
  for (const { position, stream, revision } of events) {
    assert.ok(position > last, `position ${position} came after ${last}`);
    assert.equal(position.length, last.length || position.length, 'positions have one width');
    assert.equal(revision, (heads.get(stream) ?? -1) + 1, `revision of ${stream}`);
    heads.set(stream, revision);
    last = position;
  }
}

/** The rules of the port, for one engine. Each test has a place of its own. */
export function eventStoreContract(
  name: string,
  makePlace: () => Promise<Place>,
  {
    reopens,
    rivals = false,
    restarts = false,
    manyStreams = 100_000,
    overABatch = 2500,
    costly = false,
    serverOnly = false,
  }: ContractOptions,
): void {
  const places: Place[] = [];
  after(async () => {
    for (const place of places) await place[Symbol.asyncDispose]();
  });
  async function newPlace(): Promise<Place> {
    const place = await makePlace();
    places.push(place);
    return place;
  }
  const test = (title: string, body: (store: EventStore) => Promise<void>) =>
    it(title, async () => {
      await using store = await (await newPlace()).open();
      await body(store);
    });
  // What an engine cannot do is no test of it: nothing is registered, so that nothing looks skipped.
  const testReopened = (title: string, body: (first: EventStore, reopen: () => Promise<EventStore>) => Promise<void>) =>
    reopens &&
    it(title, async () => {
      const place = await newPlace();
      let store = await place.open();
      try {
        await body(store, async () => {
          await store[Symbol.asyncDispose]();
          store = await place.open();
          return store;
        });
      } finally {
        await store[Symbol.asyncDispose]();
      }
    });

  const testRivals = (title: string, body: (left: EventStore, right: EventStore) => Promise<void>) =>
    rivals &&
    it(title, async () => {
      const place = await newPlace();
      assert.ok(place.openRival);
      await using left = await place.openRival();
      await using right = await place.openRival();
      await body(left, right);
    });
  const testRestarted = (
    title: string,
    body: (store: EventStore, restartServer: () => Promise<void>) => Promise<void>,
  ) =>
    restarts &&
    it(title, async () => {
      const place = await newPlace();
      const { restartServer } = place;
      assert.ok(restartServer);
      await using store = await place.open();
      await body(store, restartServer);
    });

  /** Some hundreds, or a quarter of that many. */
  const some = (count: number): number => (costly ? Math.floor(count / 4) : count);
  const [races, kills] = serverOnly ? [20, 2] : [costly ? 50 : 100, 2 + times];
  /** What the code of the engine does alone. */
  const describeWhole = (title: string, body: () => void) => !serverOnly && describe(title, body);

  describe(`${name}: append`, () => {
    test('gives back what was stored, with its envelope', async (store) => {
      const commit: Commit = {
        ...commitOf('build-1', 'none'),
        meta: { actor: 'a', trace: '00-ab-cd-01' },
        events: [
          { type: 'A', version: 3, data: { text: 'ü€😀\n\u0000"', list: [1, -2.5, null, true], deep: { a: {} } } },
          { type: 'B', version: 1, data: null },
        ],
      };
      const { revision, position, replayed } = stored(await store.append(commit));
      assert.deepEqual([revision, replayed], [1, false]);
      const [first, second, ...more] = await collect(store.read('build-1'));
      assert.deepEqual(more, []);
      const envelope = { stream: 'build-1', commit: commit.id, at: commit.at, meta: commit.meta };
      assert.deepEqual(first, { ...envelope, ...commit.events[0], revision: 0, position: first?.position });
      assert.deepEqual(second, { ...envelope, ...commit.events[1], revision: 1, position });
      assert.ok((first?.position ?? '') < position);
    });
    test('keeps all that the hash of a commit is of, to the byte', async (store) => {
      const chain = takeUpChain(store, emptyChain);
      const size = 60 * times;
      const commits = fc.sample(anyCommit, size).map(([meta, data], n) => {
        const events = data.map((data) => ({ type: 'Counted', version: 1, data }));
        const commit = { id: `e.${n}`, stream: `build-${n}`, expected: 'none', at: n, meta, events } as const;
        return chain.link(commit, 0);
      });
      for (const result of await store.appendBatch(commits)) stored(result);
      let root = '';
      await chain.withTree((tree) => {
        root = tree.root();
      });
      for (const options of [{ json: 'beside' }, {}] as const) {
        const verifier = createVerifier({ keys: [], held: [{ origin: '', size, root }] });
        for (const event of await eventsOf(store.readAll(options))) verifier.add(event);
        const { commits, fault } = verifier.end();
        assert.deepEqual({ commits, fault }, { commits: size, fault: undefined });
      }
    });
    test('texts instead of data are one line each that says the same', async (store) => {
      const odd = ['ü\u2028 "\\\n', { ü: [null, -1.5e300, ''], ' ': {} }, '\ud800', [], null];
      for (const [n, data] of odd.entries()) stored(await store.append(commitOf(`build-${n}`, 'none', [data, n])));
      const events = await eventsOf(store.readAll());
      const passedOn = await eventsOf(store.readAll({ json: 'instead' }));
      const filtered = await eventsOf(store.readAll({ json: 'instead', filter: { streams: ['build-1', 'build-2'] } }));
      const read = ({ json, ...event }: StoredEvent): StoredEvent => {
        if (json === undefined) return event;
        assert.equal(event.data, undefined);
        assert.doesNotMatch(json, /[\n\r]/);
        return { ...event, data: JSON.parse(json) };
      };
      assert.deepEqual(passedOn.map(read), events);
      assert.deepEqual(
        filtered.map(read),
        events.filter(({ stream }) => stream === 'build-1' || stream === 'build-2'),
      );
    });
    test('a conflict is a value and stores nothing', async (store) => {
      assert.deepEqual(await store.append(commitOf('build-1', 0)), {
        ok: false,
        reason: 'wrong-revision',
        actual: 'none',
      });
      stored(await store.append(commitOf('build-1', 'none', [1, 2, 3])));
      for (const expected of ['none', 0, 1, 3] as const) {
        assert.deepEqual(await store.append(commitOf('build-1', expected)), {
          ok: false,
          reason: 'wrong-revision',
          actual: 2,
        });
      }
      assert.equal(stored(await store.append(commitOf('build-1', 2))).revision, 3);
      assert.equal(stored(await store.append(commitOf('build-1', 'any'))).revision, 4);
      assert.equal(stored(await store.append(commitOf('build-2', 'any'))).revision, 0);
      assert.equal((await collect(store.read('build-1'))).length, 5);
      assertWholeLog(await eventsOf(store.readAll()));
    });
    test('a retry gets the first result, even where the expectation is wrong by now', async (store) => {
      const commit = commitOf('build-1', 'none', [1, 2]);
      const { revision, position } = stored(await store.append(commit));
      const again = { ok: true, revision, position, replayed: true };
      assert.deepEqual(await store.append(commit), again);
      stored(await store.append(commitOf('build-1', 1)));
      assert.deepEqual(await store.append(commit), again);
      assert.deepEqual(await store.append({ ...commit, expected: 77 }), again);
      assert.deepEqual(await store.appendBatch([commit, commit]), [again, again]);
      assert.equal((await eventsOf(store.readAll())).length, 3);
    });
    test('a retry handed over before the first answer is stored once', async (store) => {
      const commit = commitOf('build-1', 'none');
      const results = (await Promise.all([store.append(commit), store.append(commit), store.append(commit)])).map(
        stored,
      );
      assert.deepEqual(
        results.map(({ replayed }) => replayed),
        [false, true, true],
      );
      assert.equal(new Set(results.map(({ position }) => position)).size, 1);
    });
    test('finds a retry on a stream of many commits', async (store) => {
      const commits = Array.from({ length: some(300) }, () => commitOf('agent-1', 'any'));
      const first = (await store.appendBatch(commits)).map(stored);
      const again = (await store.appendBatch(commits)).map(stored);
      assert.deepEqual(
        again,
        first.map((result) => ({ ...result, replayed: true })),
      );
    });
    testReopened('a retry is known after a restart', async (store, reopen) => {
      const commits = Array.from({ length: 50 }, (_, n) => commitOf(`build-${n % 7}`, 'any', [1, 2]));
      const first = await store.appendBatch(commits);
      const again = await (await reopen()).appendBatch(commits);
      assert.deepEqual(
        again,
        first.map((result) => ({ ...result, replayed: true })),
      );
    });
    testReopened('goes on where it was after a restart', async (store, reopen) => {
      stored(await store.append(commitOf('build-1', 'none', [1, 2])));
      const before = await store.head();
      const again = await reopen();
      assert.equal(await again.head(), before);
      assert.deepEqual(await again.append(commitOf('build-1', 0)), { ok: false, reason: 'wrong-revision', actual: 1 });
      assert.equal(stored(await again.append(commitOf('build-1', 1, [3]))).revision, 2);
      assert.deepEqual(values(await collect(again.read('build-1'))), [1, 2, 3]);
      assertWholeLog(await eventsOf(again.readAll()));
    });
    test('keeps the order in which commits were handed over', async (store) => {
      const count = some(500);
      const pending = Array.from({ length: count }, (_, n) => store.append(commitOf(`build-${n % 9}`, 'any', [n])));
      pending.push(
        ...(
          await store.appendBatch([commitOf('build-1', 'any', [count]), commitOf('build-2', 'any', [count + 1])])
        ).map((result) => Promise.resolve(result)),
      );
      const positions = (await Promise.all(pending)).map((result) => stored(result).position);
      assert.deepEqual(positions, positions.toSorted());
      assert.deepEqual(
        values(await eventsOf(store.readAll())),
        Array.from({ length: count + 2 }, (_, n) => n),
      );
    });
    test('each commit of a batch stands for itself', async (store) => {
      const results = await store.appendBatch([
        commitOf('a-1', 'none'),
        commitOf('a-1', 'none'),
        commitOf('a-1', 0, [1, 2]),
        commitOf('b-1', 'none'),
      ]);
      assert.deepEqual(
        results.map((result) => (result.ok ? result.revision : result.actual)),
        [0, 0, 2, 0],
      );
      assert.deepEqual(await store.appendBatch([]), []);
      assertWholeLog(await eventsOf(store.readAll()));
    });
    test('of two that want one revision, one gets it', async (store) => {
      for (let race = 0; race < 100; race++) {
        const expected = race === 0 ? 'none' : race - 1;
        const results = await Promise.all([
          store.append(commitOf('build-1', expected, ['left'])),
          store.append(commitOf('build-1', expected, ['right'])),
        ]);
        assert.deepEqual(results.map(({ ok }) => ok).sort(), [false, true], `race ${race}`);
      }
      const events = await collect(store.read('build-1'));
      assert.equal(events.length, 100);
      assertWholeLog(events);
    });
    test('refuses what is not a commit, and stores nothing of a batch that has one', async (store) => {
      await assert.rejects(store.append({ ...commitOf('build-1', 'any'), events: [] }), TypeError);
      await assert.rejects(store.append(commitOf('build-1', -1)), TypeError);
      await assert.rejects(store.append(commitOf('build', 'any')), TypeError);
      await assert.rejects(store.appendBatch([commitOf('build-1', 'any'), commitOf('build-1', 0.5)]), TypeError);
      const tooLarge = commitOf('build-1', 'any', ['x'.repeat(9 * 1024 * 1024)]);
      await assert.rejects(store.append(tooLarge), { code: 'too-large' });
      assert.equal(await store.head(), undefined);
      stored(await store.append(commitOf('build-1', 'none')));
    });
  });

  describeWhole(`${name}: append, many`, () => {
    test('holds many streams', async (store) => {
      const commits = Array.from({ length: manyStreams }, (_, n) => commitOf(`item-${n}`, 'none', [n]));
      assert.ok((await store.appendBatch(commits)).every(({ ok }) => ok));
      const again = commits.filter((_, n) => n % 500 === 0).map(({ stream }) => commitOf(stream, 0));
      assert.ok((await store.appendBatch(again)).every(({ ok }) => ok));
      assert.equal((await collect(store.read('item-500'))).length, 2);
      assert.equal((await eventsOf(store.readAll())).length, manyStreams + again.length);
    });
  });

  describeWhole(`${name}: read`, () => {
    test('forward, backward, from, limit', async (store) => {
      for (let n = 0; n < 10; n += 2)
        stored(await store.append(commitOf('build-1', n === 0 ? 'none' : n - 1, [n, n + 1])));
      stored(await store.append(commitOf('build-10', 'none', ['other'])));
      const read = async (options?: Parameters<EventStore['read']>[1]) =>
        values(await collect(store.read('build-1', options)));
      const all = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
      assert.deepEqual(await read(), all);
      assert.deepEqual(await read({ backward: true }), all.toReversed());
      for (const n of all) {
        assert.deepEqual(await read({ from: n }), all.slice(n));
        assert.deepEqual(await read({ from: n, limit: 3 }), all.slice(n, n + 3));
        assert.deepEqual(await read({ from: n, backward: true }), all.slice(0, n + 1).toReversed());
        assert.deepEqual(
          await read({ from: n, limit: 3, backward: true }),
          all.slice(Math.max(0, n - 2), n + 1).toReversed(),
        );
      }
      assert.deepEqual(await read({ from: 10 }), []);
      assert.deepEqual(await read({ limit: 0 }), []);
      assert.deepEqual(await read({ from: 99, backward: true, limit: 1 }), [9]);
      assert.deepEqual(await collect(store.read('build-2')), []);
    });
    test('head is the position of the last event', async (store) => {
      assert.equal(await store.head(), undefined);
      const { position } = stored(await store.append(commitOf('build-1', 'none', [1, 2])));
      assert.equal(await store.head(), position);
    });
    test('what was given out does not share objects with the log', async (store) => {
      const data = { value: { list: [1] } };
      stored(await store.append({ ...commitOf('build-1', 'none'), events: [{ type: 'A', version: 1, data }] }));
      data.value.list.push(2);
      for await (const event of store.read('build-1')) (event.data as typeof data).value.list.push(3);
      assert.deepEqual(values(await collect(store.read('build-1'))), [{ list: [1] }]);
    });
  });

  describeWhole(`${name}: readAll`, () => {
    test('an empty log has no batches', async (store) => {
      assert.deepEqual(await collect(store.readAll()), []);
    });
    test('resumes after every position', async (store) => {
      await store.appendBatch(
        Array.from({ length: 40 }, (_, n) => commitOf(`build-${n % 3}`, 'any', n % 4 === 0 ? [n, n] : [n])),
      );
      const all = await eventsOf(store.readAll());
      assert.equal(all.length, 50);
      assertWholeLog(all);
      for (const [at, { position }] of all.entries())
        assert.deepEqual(await eventsOf(store.readAll({ after: position })), all.slice(at + 1));
      for (const limit of [1, 7, 50, 60])
        assert.deepEqual(await eventsOf(store.readAll({ limit })), all.slice(0, limit));
    });
    test('filters by type and by stream; the checkpoint moves on regardless', async (store) => {
      const types = ['A', 'B', 'C'];
      const commits = Array.from({ length: overABatch }, (_, n) => ({
        ...commitOf(`${['build', 'item', 'builder'][n % 3]}-${n % 2}`, 'any'),
        events: [{ type: types[n % 5 === 0 ? 0 : 1] as string, version: 1, data: { value: n } }],
      }));
      const results = await store.appendBatch(commits);
      const head = await store.head();
      // What comes after it is less than a batch.
      const from = Math.floor(overABatch * 0.8);
      const { position } = stored(results[from - 1] as AppendResult);
      const check = async (
        filter: { types?: string[]; streams?: string[] },
        expected: (n: number) => boolean,
        after?: Position,
      ) => {
        const batches = await collect(store.readAll({ filter, ...(after && { after }) }));
        const wanted = commits.map((_, n) => n).filter((n) => expected(n) && (!after || n >= from));
        assert.deepEqual(values(batches.flatMap(({ events }) => events)), wanted);
        assert.deepEqual([batches.at(-1)?.checkpoint, batches.at(-1)?.live], [head, true]);
        for (const [at, { checkpoint }] of batches.entries())
          assert.ok(at === 0 || checkpoint > (batches[at - 1]?.checkpoint ?? ''));
      };
      await check({ types: ['A'] }, (n) => n % 5 === 0);
      await check({ streams: ['build-'] }, (n) => n % 3 === 0);
      await check({ types: ['none of them'] }, () => false);
      // What is left over shows in the last of them, too.
      const last = (...[filter, expected]: Parameters<typeof check>) => check(filter, expected, position);
      await last({ types: ['A', 'B'] }, () => true);
      await last({ streams: ['build'] }, (n) => n % 3 !== 1);
      await last({ streams: ['item-', 'builder-1'] }, (n) => n % 3 === 1 || n % 6 === 5);
      await last({ types: ['A'], streams: ['item-1'] }, (n) => n % 5 === 0 && n % 3 === 1 && n % 2 === 1);
      await last({ types: [] }, () => false);
      await last({ streams: ['100%_'] }, () => false);
      assert.deepEqual(values(await eventsOf(store.readAll({ filter: { types: ['A'] }, limit: 2 }))), [0, 5]);
    });
    test('ends at the head as it was at the start', async (store) => {
      stored(await store.append(commitOf('build-1', 'none', [1])));
      const reading = store.readAll();
      stored(await store.append(commitOf('build-1', 0, [2])));
      assert.deepEqual(values(await eventsOf(reading)), [1]);
    });
    test('ends when aborted, without an error', async (store) => {
      await store.appendBatch(Array.from({ length: overABatch }, () => commitOf('build-1', 'any')));
      const stop = new AbortController();
      let batches = 0;
      for await (const _ of store.readAll({ signal: stop.signal })) {
        batches++;
        stop.abort();
      }
      assert.equal(batches, 1);
      assert.deepEqual(await collect(store.readAll({ signal: AbortSignal.abort() })), []);
    });
  });

  describeWhole(`${name}: subscribe`, () => {
    test('says that it is live where there is nothing to catch up with', async (store) => {
      const stop = new AbortController();
      for await (const batch of store.subscribe({ signal: stop.signal })) {
        assert.deepEqual([batch.events, batch.live], [[], true]);
        stop.abort();
      }
      const { position } = stored(await store.append(commitOf('build-1', 'none')));
      const stop2 = new AbortController();
      for await (const batch of store.subscribe({ after: position, signal: stop2.signal })) {
        assert.deepEqual(batch, { events: [], checkpoint: position, live: true });
        stop2.abort();
      }
    });
    test('catches up and goes on live while others write, without a gap, a repeat or half a commit', async (store) => {
      const writers = costly ? 15 : 50;
      const each = 8 * times;
      await store.appendBatch(Array.from({ length: overABatch }, (_, n) => commitOf(`build-${n % 11}`, 'any')));
      const total = overABatch + writers * each * 2;
      const batches: Batch[] = [];
      const reading = [
        take(store, total, { onBatch: (batch) => batches.push(batch) }),
        take(store, total),
        take(store, total),
      ];
      await Promise.all(
        Array.from({ length: writers }, async (_, writer) => {
          for (let n = 0; n < each; n++)
            stored(await store.append(commitOf(`writer-${writer}`, n === 0 ? 'none' : n * 2 - 1, [n, n])));
        }),
      );
      const [first, ...others] = await Promise.all(reading);
      assert.equal(first?.length, total);
      assertWholeLog(first ?? []);
      for (const other of others) assert.deepEqual(other, first);
      for (const { events, checkpoint } of batches) assert.ok(events.every(({ position }) => position <= checkpoint));
      assert.deepEqual(await eventsOf(store.readAll()), first);
    });
    test('whoever sees an event sees all before it: no event appears late', async (store) => {
      const seen: StoredEvent[][] = [];
      // Each is a batch of its own, and everything is read again for each.
      const writers = costly ? 8 : 20;
      const total = writers * 4 * 3;
      const watching = take(store, total, { onBatch: async () => seen.push(await eventsOf(store.readAll())) });
      await Promise.all(
        Array.from({ length: writers }, async (_, writer) => {
          for (let n = 0; n < 4; n++) stored(await store.append(commitOf(`writer-${writer}`, 'any', [1, 2, 3])));
        }),
      );
      await watching;
      const all = await eventsOf(store.readAll());
      assert.equal(all.length, total);
      for (const events of seen) {
        assert.deepEqual(events, all.slice(0, events.length));
        assert.equal(events.length % 3, 0, 'commits are seen whole');
      }
    });
    test('an acknowledged commit can be read at once', async (store) => {
      for (let n = 0; n < 50; n++) {
        const { position } = stored(await store.append(commitOf('build-1', 'any', [n])));
        assert.equal(await store.head(), position);
        assert.deepEqual(values(await collect(store.read('build-1', { backward: true, limit: 1 }))), [n]);
      }
    });
    test('from the end it gives only what comes then', async (store) => {
      stored(await store.append(commitOf('build-1', 'none', ['old'])));
      const stop = new AbortController();
      const reading = store.subscribe({ after: 'end', signal: stop.signal });
      stored(await store.append(commitOf('build-1', 0, ['new'])));
      const events: StoredEvent[] = [];
      for await (const batch of reading) {
        events.push(...batch.events);
        if (events.length > 0) stop.abort();
      }
      assert.deepEqual(values(events), ['new']);
    });
    test('a slow reader gets everything and holds up nobody', async (store) => {
      const total = some(600);
      const gate = Promise.withResolvers<void>();
      const slow = take(store, total, { onBatch: () => gate.promise });
      for (let n = 0; n < total; n++) stored(await store.append(commitOf('build-1', 'any', [n])));
      assert.equal((await take(store, total)).length, total);
      gate.resolve();
      assert.deepEqual(
        values(await slow),
        Array.from({ length: total }, (_, n) => n),
      );
    });
    test('filters, and moves the checkpoint where nothing passes', async (store) => {
      const stop = new AbortController();
      const reading = store.subscribe({ filter: { types: ['Other'] }, signal: stop.signal });
      const { position } = stored(await store.append(commitOf('build-1', 'none', [1, 2, 3])));
      for await (const { events, checkpoint } of reading) {
        assert.deepEqual(events, []);
        if (checkpoint === position) stop.abort();
      }
      assert.ok(stop.signal.aborted);
    });
    testReopened('resumes from its checkpoint after a restart', async (store, reopen) => {
      const checkpoints: Position[] = [];
      await store.appendBatch(Array.from({ length: 10 }, (_, n) => commitOf('build-1', 'any', [n])));
      await take(store, 10, { onBatch: ({ checkpoint }) => checkpoints.push(checkpoint) });
      const again = await reopen();
      stored(await again.append(commitOf('build-1', 9, [10])));
      assert.deepEqual(values(await take(again, 1, { after: checkpoints.at(-1) as Position })), [10]);
    });
    testReopened('no checkpoint is beyond the last event, whatever writers put into the log', async (first, reopen) => {
      stored(await first.append(commitOf('build-1', 'any', [1])));
      const again = await reopen();
      const head = await again.head();
      const stop = new AbortController();
      for await (const { checkpoint, live } of again.subscribe({ signal: stop.signal })) {
        assert.ok(checkpoint <= (head as Position), `${checkpoint} is beyond ${head}`);
        if (live) stop.abort();
      }
    });

    test('abort ends the wait, without an error', async (store) => {
      const stop = new AbortController();
      const reading = collect(store.subscribe({ signal: stop.signal }));
      stored(await store.append(commitOf('build-1', 'none')));
      stop.abort();
      await reading;
      assert.deepEqual(await collect(store.subscribe({ signal: AbortSignal.abort() })), []);
    });
  });

  describeWhole(`${name}: close`, () => {
    testReopened('finishes what was handed over', async (store, reopen) => {
      const pending = Array.from({ length: 200 }, () => store.append(commitOf('build-1', 'any')));
      const again = await reopen();
      assert.ok((await Promise.all(pending)).every(({ ok }) => ok));
      assert.equal((await collect(again.read('build-1'))).length, 200);
    });
    test('ends subscriptions and refuses everything else', async (store) => {
      const reading = collect(store.subscribe({ signal: new AbortController().signal }));
      await store[Symbol.asyncDispose]();
      await reading;
      await assert.rejects(store.append(commitOf('build-1', 'none')), { code: 'closed' });
      await assert.rejects(store.appendBatch([commitOf('build-1', 'none')]), { code: 'closed' });
      await assert.rejects(store.head(), { code: 'closed' });
      assert.throws(() => store.readAll(), { code: 'closed' });
      assert.throws(() => store.read('build-1'), { code: 'closed' });
      assert.throws(() => store.subscribe({ signal: AbortSignal.abort() }), { code: 'closed' });
      await store[Symbol.asyncDispose]();
    });
  });

  describe(`${name}: two stores that write to one log`, () => {
    testRivals('of two that want one revision, exactly one gets it, every time', async (left, right) => {
      for (let race = 0; race < races; race++) {
        const expected = race === 0 ? 'none' : race - 1;
        const results = await Promise.all([
          left.append(commitOf('build-1', expected, ['left'])),
          right.append(commitOf('build-1', expected, ['right'])),
        ]);
        assert.deepEqual(results.map(({ ok }) => ok).sort(), [false, true], `race ${race}`);
        for (const result of results) if (!result.ok) assert.equal(result.actual, race);
      }
      const events = await collect(left.read('build-1'));
      assert.equal(events.length, races);
      assertWholeLog(events);
      assert.deepEqual(await eventsOf(right.readAll()), events);
    });
    testRivals('one sees what the other has written; a retry by the other is known', async (left, right) => {
      const commit = commitOf('build-1', 'none', [1, 2]);
      const { revision, position } = stored(await left.append(commit));
      assert.deepEqual(await right.append(commit), { ok: true, revision, position, replayed: true });
      stored(await right.append(commitOf('build-1', 1, [3])));
      assert.deepEqual(await left.append(commitOf('build-1', 1)), { ok: false, reason: 'wrong-revision', actual: 2 });
      assert.equal(stored(await left.append(commitOf('build-1', 2, [4]))).revision, 3);
      assert.deepEqual(values(await collect(right.read('build-1'))), [1, 2, 3, 4]);
    });
  });

  describe(`${name}: a server that is killed and started again`, () => {
    testRestarted(
      'a subscription goes on without a gap or a repeat, from its catching up and live',
      async (store, restart) => {
        await store.appendBatch(Array.from({ length: overABatch }, (_, n) => commitOf(`build-${n % 11}`, 'any')));
        const each = (costly ? 5 : 15) * times;
        const total = overABatch + 20 * each * 2;
        const [caughtUp, catchingUp] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
        const gate = Promise.withResolvers<void>();
        const live = take(store, total, { onBatch: ({ live }) => live && caughtUp.resolve() });
        const behind = take(store, total, {
          onBatch: () => {
            catchingUp.resolve();
            return gate.promise;
          },
        });
        await Promise.all([caughtUp.promise, catchingUp.promise]);
        const writing = Promise.all(
          Array.from({ length: 20 }, async (_, writer) => {
            for (let n = 0; n < each; n++)
              stored(await store.append(commitOf(`writer-${writer}`, n === 0 ? 'none' : n * 2 - 1, [n, n])));
          }),
        );
        await restart();
        gate.resolve();
        await writing;
        await restart();
        const events = await live;
        assert.equal(events.length, total);
        assertWholeLog(events);
        assert.deepEqual(await behind, events);
        assert.deepEqual(await eventsOf(store.readAll()), events);
      },
    );
    testRestarted(
      'kill -9 in the middle of appends, again and again: what was answered is there, nothing twice or in part',
      async (store, restart) => {
        const answered = new Map<string, string>();
        for (let round = 0; round < kills; round++) {
          let over = false;
          const sent = Promise.withResolvers<void>();
          let left = 30 + round * (costly ? 60 : 120);
          const writing = Array.from({ length: 30 }, async (_, writer) => {
            for (let n = 0; !over; n++) {
              const commit = commitOf(`writer-${writer}`, 'any', Array(1 + (n % 3)).fill(n), `${round}-${writer}-${n}`);
              const { revision, position, replayed } = stored(await store.append(commit));
              assert.equal(replayed, false);
              answered.set(commit.id, `${revision} ${position}`);
              if (--left === 0) sent.resolve();
            }
          });
          await sent.promise;
          await restart();
          over = true;
          await Promise.all(writing);
        }
        const events = await eventsOf(store.readAll());
        assertWholeLog(events);
        const found = new Map<string, string>();
        const sizes = new Map<string, number>();
        for (const { commit, revision, position } of events) {
          found.set(commit, `${revision} ${position}`);
          sizes.set(commit, (sizes.get(commit) ?? 0) + 1);
        }
        assert.deepEqual(new Map([...found].sort()), new Map([...answered].sort()));
        for (const [commit, size] of sizes) assert.equal(size, 1 + (Number(commit.split('-')[2]) % 3), commit);
      },
    );
  });
}
