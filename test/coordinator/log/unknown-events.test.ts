import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openMemoryEventStore } from '../../../adapters/event-store/memory/store.ts';
import { recover } from '../../../coordinator/log/recovery.ts';
import type { EventStore, StoredEvent, StreamId } from '../../../coordinator/ports/event-store.ts';
import { admin, derivation, drvPath, openTestCoordinator, outPath } from '../../support/coordinator.ts';

/** As a newer version would have written it before a return to this one. */
async function appendUnknown(
  store: EventStore,
  stream: StreamId,
  event = { type: 'FromTheFuture', version: 1, data: { what: 'ever' } as unknown },
): Promise<void> {
  const id = `future-${stream}-${Math.random()}`;
  const result = await store.append({ id, stream, expected: 'any', events: [event], meta: { actor: 'newer' }, at: 1 });
  assert.ok(result.ok);
}

async function eventsOf(store: EventStore): Promise<StoredEvent[]> {
  const found: StoredEvent[] = [];
  for await (const { events } of store.readAll()) found.push(...events);
  return found;
}

/** A copy of a log in which some events are of a version that nobody knows yet. */
async function withNewer(store: EventStore, newer: (event: StoredEvent) => boolean): Promise<EventStore> {
  const copy = openMemoryEventStore();
  for (const event of await eventsOf(store)) {
    const { stream, type, version, data, meta, at, position } = event;
    const changed = { type, version: newer(event) ? 99 : version, data };
    await copy.append({ id: position, stream, expected: 'any', events: [changed], meta, at });
  }
  return copy;
}

const facts = [derivation(1), derivation(2, [1]), derivation(3)];

/** A log with something of every kind: 1 is built, 2 runs, 3 is queued. */
async function someLog() {
  const farm = await openTestCoordinator(facts);
  await farm.connect('a');
  const { submission } = await farm.submit(1, 2, 3);
  const first = farm.allocations()[0] as { build: string; attempt: number; derivation: string };
  await farm.succeed('a', first, Number(first.derivation === drvPath(1) ? 1 : 3));
  const token = await farm.application.createToken(admin, { name: 'ci', scope: 'read' });
  farm.dispose();
  return { store: farm.store, pool: farm.pool, submission, token: token.id, built: first.derivation };
}

/** Everything that a coordinator can be asked, on all streams of {@link someLog}; whoever is refused is not in conflict with the log. */
async function useAll(log: Awaited<ReturnType<typeof someLog>>, store: EventStore): Promise<void> {
  const farm = await openTestCoordinator(facts, { store, pool: log.pool, seed: 2 });
  const tolerated = (error: unknown) => assert.equal((error as Error).name, 'DroverError', String(error));
  await farm.connect('a').catch(tolerated);
  for (const n of [1, 2, 3]) {
    const build = `${log.submission}-${n}`;
    await farm.application.prioritizeBuild(admin, build, 5).catch(tolerated);
    await farm.application.cancelBuild(admin, build).catch(tolerated);
    await farm.application.retryBuild(admin, build).catch(tolerated);
  }
  await farm.application
    .deleteItems(admin, { items: [outPath(log.built === drvPath(1) ? 1 : 3)], reason: 'test', now: true, force: true })
    .catch(tolerated);
  await farm.application.revokeToken(admin, log.token).catch(tolerated);
  await farm.submit(1, 2, 3);
  await farm.application.steerAgent(admin, 'a', 'pause').catch(tolerated);
  await farm.settle();
  assert.deepEqual(farm.failures, []);
  farm.dispose();
  // What it has appended itself folds again.
  await recover(store, '/nix/store');
}

describe('events that this version does not know', () => {
  it('count as revisions on every stream: what comes after them is no conflict', async () => {
    const log = await someLog();
    const streams = new Set((await eventsOf(log.store)).map(({ stream }) => stream));
    assert.deepEqual([...new Set([...streams].map((stream) => stream.split('-')[0]))].toSorted(), [
      'agent',
      'build',
      'derivation',
      'item',
      'submission',
      'token',
    ]);
    const earlier = await recover(log.store, '/nix/store');
    const before = [...earlier.farm.describe()];
    assert.equal(earlier.unlinked, undefined);
    for (const stream of streams) await appendUnknown(log.store, stream);
    const { farm, unknown, firstUnknown, unlinked } = await recover(log.store, '/nix/store');
    assert.equal(unknown, streams.size);
    // Whoever wrote them did not link them: what is said of it has where.
    assert.ok(unlinked && unlinked.from > (earlier.position as string));
    assert.equal(unlinked.to, await log.store.head());
    assert.match(firstUnknown ?? '', /@\d+: unknown type FromTheFuture$/);
    const without = (line: string) => line.replaceAll(/("revision":|^(?:build|agent) \S+ )\d+/g, '$1');
    const known = [...farm.describe()].filter((line) => !line.startsWith('stray '));
    assert.deepEqual(known.map(without), before.map(without), 'they change nothing else');
    await useAll(log, log.store);
  });

  it('on a submission that is not queued yet: it goes on', async () => {
    const log = await someLog();
    const store = openMemoryEventStore();
    for (const { stream, type, version, data, meta, at, position } of await eventsOf(log.store)) {
      if (type === 'SubmissionQueued' || (stream.startsWith('build-') && !stream.endsWith('-1'))) continue;
      await store.append({ id: position, stream, expected: 'any', events: [{ type, version, data }], meta, at });
    }
    await appendUnknown(store, `submission-${log.submission}`);
    const farm = await openTestCoordinator(facts, { store, pool: log.pool, seed: 2 });
    await farm.settle();
    assert.deepEqual(farm.failures, []);
    assert.equal((await farm.types(`submission-${log.submission}`)).at(-1), 'SubmissionQueued');
  });

  for (const type of [
    'DerivationAdded',
    'BuildSubmitted',
    'BuildAllocated',
    'AgentRegistered',
    'AgentConnected',
    'StoreItemAdded',
    'SubmissionReceived',
    'SubmissionQueued',
    'TokenIssued',
  ])
    it(`${type} of a newer version: what follows on the stream folds, and the stream can be written to`, async () => {
      const log = await someLog();
      await useAll(log, await withNewer(log.store, (event) => event.type === type));
    });

  it('a build of which nothing was understood keeps its number', async () => {
    const log = await someLog();
    const unqueued = await withNewer(
      log.store,
      ({ type, stream }) => type === 'SubmissionQueued' || stream === `build-${log.submission}-3`,
    );
    const farm = await openTestCoordinator(facts, { store: unqueued, pool: log.pool, seed: 2 });
    await farm.settle();
    assert.deepEqual(farm.failures, []);
    assert.deepEqual(await farm.types(`build-${log.submission}-4`), ['BuildSubmitted']);
  });
});
