import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { foldEvent } from '../../coordinator/log/recovery.ts';
import type { StoredEvent } from '../../coordinator/ports/event-store.ts';
import { isEnded } from '../../domain/build/state.ts';
import { type DroverEvent, eventTypes } from '../../domain/events.ts';
import { type BuildRecord, buildId } from '../../projections/builds.ts';
import { createFarm, type Farm } from '../../projections/farm.ts';
import { finish } from '../../projections/pace.ts';
import { explain, inputStates, type Why, whyReasons } from '../../projections/why.ts';
import { fakeSha256 } from '../support/paths.ts';
import { playFarm } from '../support/random-farm.ts';
import { times } from '../support/times.ts';

/** One moment in so many is looked at. */
const every = 13;

const nothing = () => undefined;
const whyOf = (farm: Farm, build: BuildRecord): Why =>
  finish(explain(farm, build, { backOff: nothing, deferral: nothing, lease: nothing, coordinator: nothing }));

/** Appends to a farm whatever it was, at the next revision of its stream. */
function appender(farm: Farm) {
  const at = 2_000_000_000_000;
  return {
    build: (build: BuildRecord, event: DroverEvent) =>
      farm.apply('build', buildId(build), event, build.revision + 1, at),
    item(path: string) {
      const revision = farm.itemRevision(path);
      const file = { hash: fakeSha256(1), size: 1, compression: 'zstd' as const };
      const data = { path, narHash: fakeSha256(1), narSize: 1, references: [], file, signatures: [] };
      const next = revision === 'none' ? 0 : revision + 1;
      farm.apply('item', path.slice(0, 32), { type: 'StoreItemAdded', data }, next, at);
    },
    /** Another agent, for one kind of builds. */
    agent(system: string, features: string[]) {
      const name = 'extra';
      const token = { name, scope: 'agent' as const, hash: '0'.repeat(64), agent: name };
      const abilities = { systems: [system], features, mandatoryFeatures: [], slots: 1 };
      farm.apply('token', 'extra', { type: 'TokenIssued', data: token }, 0, at);
      farm.apply('agent', name, { type: 'AgentRegistered', data: { name } }, 0, at);
      farm.apply('agent', name, { type: 'AgentConnected', data: { abilities, version: '1', builder: 'nix' } }, 1, at);
    },
    text(path: string, lost: boolean) {
      const drv = farm.graph.drvOf(path) as number;
      const type = lost ? 'DerivationTextLost' : 'DerivationTextRestored';
      const data = { path, reason: 'test' };
      farm.apply('derivation', path.slice(0, 32), { type, data }, farm.texts.revision(drv) + 1, at);
    },
  };
}

/** Has the wait end as `until` says, by the event that it names. */
function endWait(farm: Farm, build: BuildRecord, why: Why): void {
  const append = appender(farm);
  const attempt = build.state.attempt + 1;
  const allocate = () => append.build(build, { type: 'BuildAllocated', data: { attempt, agent: 'a' } });
  switch (why.reason) {
    case 'deferred':
      assert.match(why.until, /BuildDeferred without a time/);
      return append.build(build, { type: 'BuildDeferred', data: {} });
    case 'back-off':
    case 'no-slot':
      assert.match(why.until, /^BuildAllocated/);
      return allocate();
    case 'inputs': {
      assert.match(why.until, /^StoreItemAdded/);
      // Something that an input refers to may lack something itself, which is named then.
      let now: Why = why;
      for (let left = 20; now.reason === 'inputs' && left > 0; left--) {
        for (const { item, missing } of now.inputs) for (const path of missing ?? [item]) append.item(path);
        now = whyOf(farm, build);
      }
      return;
    }
    case 'text-lost':
      assert.match(why.until, /^DerivationTextRestored/);
      return append.text(why.derivation, false);
    case 'no-agent':
      assert.match(why.until, /^AgentConnected/);
      return append.agent(why.system, [...why.features]);
    case 'running':
      assert.match(why.until, /BuildReleased/);
      return append.build(build, {
        type: 'BuildReleased',
        data: { attempt: why.attempt, agent: why.agent, reason: 'handed-back' },
      });
    case 'ended':
      assert.fail('an unfinished build has not ended');
  }
}

test('every unfinished build has a reason, and the event that it names ends the wait (I5)', async () => {
  const reasons = new Map<string, number>();
  const inputs = new Set<string>();
  const met = new Set<string>();
  for (let seed = 1; seed <= 3 * times; seed++) {
    const dir = await mkdtemp(join(tmpdir(), 'drover-stuck-'));
    // Every third time what the pool and upstreams have changes, too.
    const pool = seed % 3 === 0;
    const { store } = await playFarm(dir, { seed, steps: pool ? 150 : 90, pool });
    await rm(dir, { recursive: true });
    const events: StoredEvent[] = [];
    for await (const batch of store.readAll()) events.push(...batch.events);
    for (const { type } of events) met.add(type);
    for (let moment = every; moment <= events.length; moment += pool ? 3 * every : every) {
      /** In one moment of two, a text is lost as well. */
      const farmThen = (): Farm => {
        const farm = createFarm();
        for (const event of events.slice(0, moment)) foldEvent(farm, event);
        const lost = farm.graph.derivations > 0 && moment % 2 === 0 ? farm.graph.drvPath(0) : undefined;
        if (lost !== undefined) appender(farm).text(lost, true);
        return farm;
      };
      const ids = [...farmThen().queue.unfinishedBuilds()].map(buildId);
      for (const id of ids) {
        const farm = farmThen();
        const build = farm.queue.build(id) as BuildRecord;
        const why = whyOf(farm, build);
        const about = `${id} of seed ${seed} after ${moment} events: ${why.summary}`;
        assert.ok(whyReasons.includes(why.reason) && why.reason !== 'ended', about);
        assert.equal(why.standing === undefined, why.reason === 'running', about);
        const { until } = why;
        const named = until.match(/\b[A-Z][a-z]+[A-Z]\w+/g) ?? [];
        assert.ok(named.length > 0 && named.every((type) => eventTypes.has(type)), `${about}, until ${until}`);
        // Who is blocked is told by what, and what to do about each of that.
        const isBlocked = 'blockers' in why && why.blockers.length > 0;
        assert.equal(why.standing === 'blocked', isBlocked, about);
        if ('blockers' in why)
          for (const { remedy } of why.blockers) assert.match(remedy, /^(drover |start the agent )/);
        if (why.reason === 'inputs') for (const { state } of why.inputs) inputs.add(state);
        endWait(farm, build, why);
        if (!isEnded(build.state.status))
          assert.notEqual(whyOf(farm, build).reason, why.reason, `${about}: it waits as before`);
        reasons.set(why.reason, (reasons.get(why.reason) ?? 0) + 1);
      }
    }
  }
  // All that there is to wait for was met, or what is said above is said of nothing.
  assert.deepEqual([...reasons.keys()].sort(), whyReasons.filter((one) => one !== 'ended').sort());
  const rare = ['source-missing', 'source-lost', 'reference-missing', 'no-build'];
  assert.deepEqual(
    inputStates.filter((state) => !inputs.has(state) && !rare.includes(state)),
    [],
  );
  for (const type of [
    'StoreItemUnpublished',
    'StoreItemDeleted',
    'StoreItemFoundUpstream',
    'StoreItemLostUpstream',
    'RootAdded',
    'RootExpired',
    'RootRemoved',
    'BuildDeferred',
  ])
    assert.ok(met.has(type), type);
});
