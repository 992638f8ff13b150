import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client';
import { commitEventId } from '../../../../adapters/event-store/eventstoredb/event-id.ts';
import { openEventStoreDbEventStore } from '../../../../adapters/event-store/eventstoredb/store.ts';
import { collect, commitOf, stored } from '../../../contract/commits.ts';
import { startEventStoreDouble } from '../../../support/eventstoredb-server/server.ts';

const writer = { holder: 'test', leaseSeconds: 10 };

describe('eventstoredb: what is on the server', () => {
  it('streams, types, JSON and metadata that its own tools can use', async () => {
    await using server = await startEventStoreDouble();
    await using store = await openEventStoreDbEventStore({ connectionString: server.url, writer });
    const commit = commitOf('build-abc-1', 'none', [1, 2]);
    stored(await store.append(commit));
    const client = EventStoreDBClient.connectionString(server.url);
    const found = (await collect(client.readStream('build-abc-1'))).map(({ event }) => event);
    assert.deepEqual(
      found.map((event) => [event?.id, event?.type, event?.isJson, event?.data]),
      [0, 1].map((index) => [commitEventId(commit.id, index), 'Counted', true, { value: index + 1 }]),
    );
    const { meta, at, id } = commit;
    assert.deepEqual(found[1]?.metadata, {
      $correlationId: meta.correlation,
      $causationId: meta.causation,
      log: 'drover',
      commit: id,
      index: 1,
      count: 2,
      version: 1,
      at,
      actor: meta.actor,
      fence: 0,
    });
    await client.dispose();
  });

  it('system events, links, the lease and other applications are not delivered', async () => {
    await using server = await startEventStoreDouble();
    await using store = await openEventStoreDbEventStore({ connectionString: server.url, writer });
    await using other = await openEventStoreDbEventStore({
      connectionString: server.url,
      writer: false,
      log: 'farm_2',
    });
    const foreign = (stream: string, type: string, metadata = '') =>
      server.log.append(stream, -2, [
        { id: crypto.randomUUID(), type, contentType: 'application/json', data: btoa('{}'), metadata: btoa(metadata) },
      ]);
    const stop = new AbortController();
    const reading = store.subscribe({ signal: stop.signal });
    foreign('$stats-127.0.0.1:2113', '$statsCollected');
    stored(await store.append(commitOf('build-1', 'none', [1])));
    const [first] = server.log.stream('build-1');
    foreign('$ce-build', '$>', '{"$causedBy":"x"}');
    foreign('orders-1', 'OrderPlaced', '{"actor":"somebody"}');
    // Somebody's projection emits copies of our events into a system stream.
    foreign('$copies', 'Counted', atob(first?.metadata ?? ''));
    stored(await store.append(commitOf('build-1', 0, [2, 3])));
    foreign('$stats-127.0.0.1:2113', '$statsCollected');
    const live: unknown[] = [];
    for await (const { events } of reading) {
      live.push(...events.map(({ data }) => data));
      if (live.length === 3) stop.abort();
    }
    const expected = [1, 2, 3].map((value) => ({ value }));
    assert.deepEqual(live, expected);
    const batches = await collect(store.readAll());
    assert.deepEqual(
      batches.flatMap(({ events }) => events).map(({ data }) => data),
      expected,
    );
    assert.equal(batches.at(-1)?.checkpoint, await store.head());
    assert.equal(await other.head(), undefined);
    assert.deepEqual(await collect(other.readAll()), []);
  });

  it('logs with a name share a server', async () => {
    await using server = await startEventStoreDouble();
    const one = await openEventStoreDbEventStore({ connectionString: server.url, writer, log: 'farm_1' });
    stored(await one.append(commitOf('build-1', 'none', ['one'])));
    await one[Symbol.asyncDispose]();
    const two = await openEventStoreDbEventStore({ connectionString: server.url, writer, log: 'farm_2' });
    stored(await two.append(commitOf('build-1', 'none', ['two'])));
    const events = (await collect(two.readAll())).flatMap((batch) => batch.events);
    assert.deepEqual(
      events.map(({ stream, data }) => [stream, data]),
      [['build-1', { value: 'two' }]],
    );
    await two[Symbol.asyncDispose]();
    assert.equal(server.log.stream('farm_1.build-1').length, 1);
  });

  it('a page of foreign records does not stop a replay', async () => {
    await using server = await startEventStoreDouble();
    await using store = await openEventStoreDbEventStore({ connectionString: server.url, writer });
    stored(await store.append(commitOf('build-1', 'none', [1])));
    for (let n = 0; n < 5000; n++) {
      server.log.append('$ce-build', -2, [
        { id: crypto.randomUUID(), type: '$>', contentType: 'text/plain', data: btoa(`${n}@build-1`), metadata: '' },
      ]);
    }
    stored(await store.append(commitOf('build-1', 0, [2])));
    const batches = await collect(store.readAll());
    assert.deepEqual(
      batches.map(({ events, live }) => [events.length, live]),
      [
        [1, false],
        [1, true],
      ],
    );
    await using reader = await openEventStoreDbEventStore({ connectionString: server.url, writer: false });
    assert.equal(await reader.head(), await store.head());
  });

  it('does not look again at what is behind the head and no event', async () => {
    await using server = await startEventStoreDouble();
    await using store = await openEventStoreDbEventStore({ connectionString: server.url, writer });
    const { position } = stored(await store.append(commitOf('build-1', 'none', [1])));
    // As the lease of a farm on which nothing happens, over days.
    for (let n = 0; n < 3000; n++)
      server.log.append('$stats-127.0.0.1:2113', -2, [
        {
          id: crypto.randomUUID(),
          type: '$statsCollected',
          contentType: 'application/json',
          data: btoa('{}'),
          metadata: '',
        },
      ]);
    await using reader = await openEventStoreDbEventStore({ connectionString: server.url, writer: false });
    for (const one of [store, reader]) {
      assert.equal(await one.head(), position);
      const before = server.recordsRead;
      assert.equal(await one.head(), position);
      assert.ok(server.recordsRead - before <= 16, `${server.recordsRead - before} records`);
    }
    const next = stored(await store.append(commitOf('build-1', 0, [2, 3])));
    assert.equal(await reader.head(), next.position);
  });

  it('who wants few events is sent few records, however many there are', async () => {
    await using server = await startEventStoreDouble();
    await using store = await openEventStoreDbEventStore({ connectionString: server.url, writer });
    const places: string[] = [];
    for (let n = 0; n < 4; n++)
      places.push(stored(await store.append(commitOf('build-1', 'any', Array(500).fill(n)))).position);
    const [first, , third] = places;
    const read = async (options: Parameters<typeof store.readAll>[0]) => {
      const before = server.recordsRead;
      const events = (await collect(store.readAll(options))).flatMap((batch) => batch.events);
      return { events, records: server.recordsRead - before };
    };
    const few = await read({ after: first as string, limit: 3 });
    assert.deepEqual(
      few.events.map(({ data }) => data),
      Array(3).fill({ value: 1 }),
    );
    assert.ok(few.records < 30, String(few.records));
    // Those of a type may be far away.
    const filter = { types: ['Counted'], streams: ['build-2'] };
    assert.deepEqual((await read({ after: first as string, limit: 3, filter })).events, []);
    assert.equal((await read({ after: third as string, limit: 501 })).events.length, 500);
  });

  it("a stream's first commit sent again after a restart is known for a retry", async () => {
    await using server = await startEventStoreDouble();
    const commits = [commitOf('build-1', 'none', [1, 2]), commitOf('build-2', 'none', [3])];
    const first = await openEventStoreDbEventStore({ connectionString: server.url, writer });
    const results = (await first.appendBatch(commits)).map(stored);
    await first[Symbol.asyncDispose]();
    await using again = await openEventStoreDbEventStore({ connectionString: server.url, writer });
    assert.deepEqual(
      await again.appendBatch(commits),
      results.map((result) => ({ ...result, replayed: true })),
    );
    // And is complete in what the writer remembers of the stream.
    assert.equal(stored(await again.append(commitOf('build-1', 1, [4]))).revision, 2);
  });

  it('something in a stream that is not ours does not confuse the writer', async () => {
    await using server = await startEventStoreDouble();
    await using store = await openEventStoreDbEventStore({ connectionString: server.url, writer });
    stored(await store.append(commitOf('build-1', 'none', [1])));
    const client = EventStoreDBClient.connectionString(server.url);
    // With the plain append call, which a server without batches would get from us too.
    await client.appendToStream('build-1', jsonEvent({ type: 'Note', data: {} }), {
      credentials: { username: 'a', password: 'b' },
    });
    assert.deepEqual(await store.append(commitOf('build-1', 0, [2])), {
      ok: false,
      reason: 'wrong-revision',
      actual: 1,
    });
    assert.equal(stored(await store.append(commitOf('build-1', 'any', [2]))).revision, 2);
    await client.dispose();
  });

  it('what a newer Drover wrote is refused, with both versions', async () => {
    await using server = await startEventStoreDouble();
    {
      await using store = await openEventStoreDbEventStore({ connectionString: server.url, writer });
      stored(await store.append(commitOf('build-1', 'none', [1])));
    }
    const [first] = server.log.stream('build-1');
    const metadata = { ...JSON.parse(atob(first?.metadata ?? '')), format: 2 };
    server.log.append('build-1', -2, [
      {
        id: crypto.randomUUID(),
        type: 'Counted',
        contentType: 'application/json',
        data: btoa('{}'),
        metadata: btoa(JSON.stringify(metadata)),
      },
    ]);
    const refused = { code: 'newer-schema', message: /Event 1 of build-1 .*\(format 2, this one knows 1\)/ };
    const reading = async () => {
      await using store = await openEventStoreDbEventStore({ connectionString: server.url, writer });
      await collect(store.readAll());
    };
    await assert.rejects(reading(), refused);
  });
});

describe('eventstoredb: options', () => {
  it('that make no sense are refused', async () => {
    const connectionString = 'esdb://127.0.0.1:1?tls=false';
    const cases = [
      { connectionString: 'http://x', writer: false },
      { connectionString, writer: { holder: '' } },
      { connectionString, writer: { holder: 'a', leaseSeconds: 0.1 } },
      { connectionString, writer: false, log: 'a-b' },
      { connectionString, writer: false, callSeconds: 0 },
      { connectionString, writer: false, maxAppendBytes: Number.NaN },
    ] as const;
    for (const options of cases) await assert.rejects(openEventStoreDbEventStore(options), TypeError);
  });
});
