import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { figuresOf } from '../../coordinator/figures.ts';
import { createBlockedSubmissions } from '../../coordinator/submissions/blocked-submissions.ts';
import type { BuildEvent } from '../../domain/build/events.ts';
import { isEnded } from '../../domain/build/state.ts';
import type { StoreItem } from '../../domain/item/events.ts';
import { blockingCauses, hasCause } from '../../projections/blocked.ts';
import { findBlockers } from '../../projections/blockers.ts';
import { buildId } from '../../projections/builds.ts';
import { createFarm, type Farm } from '../../projections/farm.ts';
import { findNeeds } from '../../projections/needs.ts';
import { finish } from '../../projections/pace.ts';
import { countStandings, newestStanding, standingOf } from '../../projections/standing.ts';
import { buildsFor } from '../../projections/submission-builds.ts';
import { knownTo, loadParts, saveFarm } from '../support/farm-parts.ts';
import { fakeBase, fakeSha256 } from '../support/paths.ts';

/** Derivation n has inputs among 0 … n - 1, one or two outputs, and maybe a source. */
interface Plan {
  readonly inputs: readonly number[];
  /** An earlier derivation that has the same outputs; then `two` is that one's. */
  readonly like: number | undefined;
  readonly two: boolean;
  readonly source: boolean;
  /** A derivation whose output is a source too, be it an earlier one, itself, or one that needs this one. */
  readonly made?: number | undefined;
}
type Step =
  | { readonly type: 'submit'; readonly drv: number; readonly priority: number }
  | {
      readonly type: 'build';
      readonly what: 'allocate' | 'succeed' | 'fail' | 'cancel' | 'prioritize' | 'defer' | 'hasten';
      readonly pick: number;
      readonly priority: number;
    }
  | { readonly type: 'add' | 'remove'; readonly item: number; readonly references: readonly number[] }
  | { readonly type: 'agent'; readonly takes: boolean }
  | { readonly type: 'text'; readonly drv: number; readonly lost: boolean };

const drvPath = (n: number): string => fakeBase('d', n, '.drv');
const outputPath = (n: number, name: string): string => fakeBase(name, n);

/** Paths of the outputs. */
function outputsOf(designs: readonly Plan[], n: number): { out: string; dev?: string } {
  const { like, two } = designs[n] as Plan;
  if (like !== undefined) return outputsOf(designs, like);
  return { out: outputPath(n, 'out'), ...(two && { dev: outputPath(n, 'v') }) };
}

function derivation(designs: readonly Plan[], n: number) {
  const { inputs } = designs[n] as Plan;
  return {
    path: drvPath(n),
    system: n % 5 === 0 ? 'i686-linux' : 'x86_64-linux',
    outputs: outputsOf(designs, n),
    inputs: inputs.map((input) => drvPath(input).slice(0, 32)),
    sources: sourcesOf(designs, n),
  };
}
/** Paths of the sources. */
function sourcesOf(designs: readonly Plan[], n: number): string[] {
  const { source, made } = designs[n] as Plan;
  return [
    ...(source ? [fakeBase('s', n)] : []),
    ...(made === undefined ? [] : [outputsOf(designs, made % designs.length).out]),
  ];
}
function storeItem(path: string, references: readonly string[], n = 1): StoreItem {
  return {
    path,
    narHash: fakeSha256(n),
    narSize: n,
    references: [...references].sort(),
    file: { hash: fakeSha256(n), size: n, compression: 'zstd' },
    signatures: ['k:AA=='],
  };
}

const plans = fc.integer({ min: 2, max: 14 }).chain((size) =>
  fc.tuple(
    ...Array.from({ length: size }, (_, n) =>
      fc.record({
        inputs:
          n === 0 ? fc.constant<number[]>([]) : fc.uniqueArray(fc.integer({ min: 0, max: n - 1 }), { maxLength: 4 }),
        like: n === 0 ? fc.constant(undefined) : fc.option(fc.nat(n - 1), { nil: undefined, freq: 2 }),
        two: fc.boolean(),
        source: fc.integer({ min: 0, max: 4 }).map((k) => k === 0),
        made: fc.option(fc.nat(size - 1), { nil: undefined, freq: 1 }),
      }),
    ),
  ),
) as fc.Arbitrary<Plan[]>;
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ type: fc.constant('submit' as const), drv: fc.nat(13), priority: fc.integer({ min: -2, max: 2 }) }),
  fc.record({
    type: fc.constant('build' as const),
    what: fc.constantFrom(
      'allocate' as const,
      'succeed' as const,
      'fail' as const,
      'cancel' as const,
      'prioritize' as const,
      'defer' as const,
      'hasten' as const,
    ),
    pick: fc.nat(30),
    priority: fc.integer({ min: -2, max: 2 }),
  }),
  fc.record({
    type: fc.constantFrom('add' as const, 'remove' as const),
    item: fc.nat(40),
    references: fc.uniqueArray(fc.nat(40), { maxLength: 3 }),
  }),
  fc.oneof(
    fc.record({ type: fc.constant('agent' as const), takes: fc.boolean() }),
    fc.record({ type: fc.constant('text' as const), drv: fc.nat(13), lost: fc.boolean() }),
  ),
);

/** The function, worked out once for each argument. Fails where an answer rests on itself. */
function memo<Key, Value>(work: (key: Key) => Value): (key: Key) => Value {
  const known = new Map<Key, Value>();
  const open = new Set<Key>();
  return (key) => {
    if (known.has(key)) return known.get(key) as Value;
    assert.ok(!open.has(key), `what is asked of ${key} comes back to it`);
    open.add(key);
    const value = work(key);
    open.delete(key);
    known.set(key, value);
    return value;
  };
}

/** Applies steps to a farm, keeping a naive model beside it. */
function play(
  allDesigns: readonly Plan[],
  steps: readonly Step[],
): { farm: Farm; check: () => void; log: (farm: Farm) => void; history: readonly Parameters<Farm['apply']>[] } {
  const history: Parameters<Farm['apply']>[] = [];
  const farm = createFarm();
  const allBlocked = createBlockedSubmissions(farm);
  const records = new Map<string, { readonly id: string; readonly joined: readonly string[] }>();
  const apply = (...event: Parameters<Farm['apply']>): void => {
    history.push(event);
    farm.apply(...event);
  };
  // Some derivations come when others are under way already.
  let designs: readonly Plan[] = [];
  const addUpTo = (size: number): void => {
    const from = designs.length;
    designs = allDesigns.slice(0, size);
    for (let n = from; n < size; n++)
      apply('derivation', drvPath(n).slice(0, 32), { type: 'DerivationAdded', data: derivation(allDesigns, n) }, 0, 0);
    prepare();
  };
  const late = steps.length > 4 ? Math.ceil(steps.length / 2) : 0;
  let items: string[] = [];
  let needs: string[][] = [];
  let makers = new Map<string, number[]>();
  /** Sources with no producer that is less deep than all that need them. */
  let deep = new Set<string>();
  function prepare(): void {
    items = [
      ...new Set(designs.flatMap((_, n) => [...Object.values(outputsOf(designs, n)), ...sourcesOf(allDesigns, n)])),
    ];
    needs = designs.map((plan, n) => [
      ...new Set([...plan.inputs.map((input) => outputsOf(designs, input).out), ...sourcesOf(allDesigns, n)]),
    ]);
    const depths: number[] = [];
    for (const { inputs } of designs) depths.push(Math.max(-1, ...inputs.map((input) => depths[input] as number)) + 1);
    makers = new Map<string, number[]>();
    for (const n of designs.keys())
      for (const path of Object.values(outputsOf(designs, n))) makers.set(path, [...(makers.get(path) ?? []), n]);
    const byDepth = (a: number, b: number): number => (depths[a] as number) - (depths[b] as number);
    for (const of of makers.values()) of.sort((a, b) => byDepth(a, b) || a - b);
    deep = new Set(
      items.filter((path) => {
        const first = makers.get(path)?.[0];
        return first !== undefined && needs.some((of, n) => of.includes(path) && byDepth(n, first) <= 0);
      }),
    );
  }
  addUpTo(late === 0 ? allDesigns.length : Math.ceil(allDesigns.length / 2));
  const present = new Map<string, readonly string[]>();
  const textless = new Set<number>();
  // One agent takes all but what is built for i686-linux, unless it is paused.
  let paused = false;
  const abilities = { systems: ['x86_64-linux'], features: [], mandatoryFeatures: [], slots: 1, maxSilentSeconds: 1 };
  const hash = '0'.repeat(64);
  apply('token', 't', { type: 'TokenIssued', data: { name: 'a', scope: 'agent', hash, agent: 'a' } }, 0, 0);
  apply('agent', 'a', { type: 'AgentRegistered', data: { name: 'a' } }, 0, 0);
  apply('agent', 'a', { type: 'AgentConnected', data: { abilities, version: '1', builder: 'nix' } }, 1, 0);
  let agentRevision = 1;
  let submitted = 0;
  const builds: string[] = [];

  for (const [index, next] of steps.entries()) {
    if (index === late && late > 0) addUpTo(allDesigns.length);
    if (next.type === 'submit') {
      const id = `s-${++submitted}`;
      builds.push(id);
      const data = {
        derivation: drvPath(next.drv % designs.length),
        submission: 's',
        reason: 'requested',
        options: { priority: next.priority },
      } as const;
      apply('build', id, { type: 'BuildSubmitted', data }, 0, 0);
      farm.supply.takeIn(designs.keys());
    } else if (next.type === 'build') {
      const id = builds[next.pick % Math.max(1, builds.length)];
      const build = id === undefined ? undefined : farm.queue.build(id);
      if (id === undefined || !build || isEnded(build.state.status)) continue;
      const attempt = Math.max(1, build.state.attempt);
      const live = build.state.status !== 'queued';
      const event: BuildEvent | undefined = {
        allocate: live
          ? undefined
          : ({ type: 'BuildAllocated', data: { attempt: build.state.attempt + 1, agent: 'a' } } as const),
        succeed: live
          ? ({
              type: 'BuildSucceeded',
              data: { attempt, agent: 'a', outputs: {}, durationMs: 1000 * (1 + (next.pick % 7)) },
            } as const)
          : undefined,
        fail: live
          ? ({ type: 'BuildFailed', data: { attempt, class: 'builder-failed', message: '' } } as const)
          : undefined,
        cancel: { type: 'BuildCanceled', data: {} } as const,
        prioritize: { type: 'BuildPrioritized', data: { priority: next.priority } } as const,
        defer: live ? undefined : ({ type: 'BuildDeferred', data: { until: 1 } } as const),
        hasten: live ? undefined : ({ type: 'BuildDeferred', data: {} } as const),
      }[next.what];
      if (event) apply('build', id, event, build.revision + 1, 0);
    } else if (next.type === 'agent') {
      paused = !next.takes;
      const event = paused
        ? ({ type: 'AgentPaused', data: {} } as const)
        : ({ type: 'AgentResumed', data: {} } as const);
      apply('agent', 'a', event, ++agentRevision, 0);
    } else if (next.type === 'text') {
      const n = next.drv % designs.length;
      if (textless.has(n) === next.lost) continue;
      const revision = farm.texts.revision(farm.graph.drvOf(drvPath(n)) as number) + 1;
      const data = { path: drvPath(n), reason: 'test' };
      apply(
        'derivation',
        drvPath(n).slice(0, 32),
        { type: `DerivationText${next.lost ? 'Lost' : 'Restored'}`, data },
        revision,
        0,
      );
      if (next.lost) textless.add(n);
      else textless.delete(n);
    } else {
      const path = items[next.item % items.length] as string;
      // References only to what comes earlier, as no real item is part of a cycle.
      const references = [...new Set(next.references.map((n) => items[n % items.length] as string))].filter(
        (other) => items.indexOf(other) < items.indexOf(path),
      );
      const revision = farm.itemRevision(path);
      const following = revision === 'none' ? 0 : revision + 1;
      if (next.type === 'add' && !present.has(path)) {
        apply(
          'item',
          path.slice(0, 32),
          { type: 'StoreItemAdded', data: storeItem(path, references, next.item + 1) },
          following,
          0,
        );
        present.set(path, references);
      } else if (next.type === 'remove' && present.has(path)) {
        apply('item', path.slice(0, 32), { type: 'StoreItemDeleted', data: { path, reason: 'test' } }, following, 0);
        present.delete(path);
      }
    }
    // Not after each: what has to be looked at again is collected until somebody asks.
    check(index % 3 === 0 || index === steps.length - 1, index % 4);
  }

  /** @param edges that are followed for critical paths, where not all are. */
  function check(all = true, edges = 0): void {
    const { graph, availability, queue } = farm;
    const isAvailable = memo((path: string): boolean => present.get(path)?.every(isAvailable) ?? false);
    for (const path of items) {
      const item = graph.itemOf(path) as number;
      assert.equal(availability.isAvailable(item), isAvailable(path), `availability of ${path}`);
      const references = [...(present.get(path) ?? [])].sort();
      if (present.has(path)) assert.deepEqual(farm.details.get(item)?.references, references);
      else assert.equal(farm.details.get(item), undefined);
    }
    if (all) queue.urgency.settleAll();
    else queue.urgency.settle(edges);
    const unfinished = (n: number) =>
      builds
        .map((id) => queue.build(id))
        .filter((build) => build && graph.drvPath(build.drv) === drvPath(n) && !isEnded(build.state.status));
    const isActive = memo((n: number): boolean => unfinished(n).length > 0);
    const hasFailed = memo((n: number): boolean => {
      const last = queue.latest(graph.drvOf(drvPath(n)) as number)?.state.status;
      return !isActive(n) && (last === 'failed' || last === 'canceled');
    });
    // Who produces an item, as docs/decisions/0010 has it, without any memory of what was before.
    const inWant = (path: string): boolean => {
      const [first, ...others] = makers.get(path) ?? [];
      if (deep.has(path)) return true;
      if (first === undefined || others.length === 0 || isActive(first)) return false;
      return hasFailed(first) || others.some(isActive);
    };
    const isSound: (n: number) => boolean = memo((n) =>
      (needs[n] as string[]).every((path) => {
        if (isAvailable(path)) return true;
        const first = makers.get(path)?.[0];
        return !inWant(path) && (first === undefined || isSound(first));
      }),
    );
    const producerOf = memo((path: string): number | undefined => {
      const [first, ...others] = makers.get(path) ?? [];
      if (first === undefined || !inWant(path)) return first;
      if (deep.has(path)) {
        const sound = [first, ...others].filter(isSound);
        return sound.find(isActive) ?? sound.find((n) => !hasFailed(n)) ?? sound[0];
      }
      const other = others.find((n) => isActive(n) && isSound(n));
      if (other !== undefined || !hasFailed(first)) return other ?? first;
      return others.find((n) => !hasFailed(n) && isSound(n)) ?? first;
    });
    for (const path of items) {
      const expected = producerOf(path);
      const got = farm.producers.of(graph.itemOf(path) as number);
      assert.equal(
        got === undefined ? undefined : graph.drvPath(got),
        expected === undefined ? undefined : drvPath(expected),
      );
    }
    // From each derivation to the producers of what it lacks, and on: that never comes back.
    const follow: (n: number) => true = memo((n) => {
      for (const path of needs[n] as string[]) {
        const producer = isAvailable(path) ? undefined : producerOf(path);
        if (producer !== undefined) follow(producer);
      }
      return true;
    });
    for (const n of designs.keys()) follow(n);

    // What is supplied is under way, and relies on what is there, on sources, and on what is supplied without it.
    const isSupplied = (n: number): boolean => farm.supply.has(graph.drvOf(drvPath(n)) as number);
    const relied = new Set<number>();
    for (const n of [...designs.keys(), ...designs.keys(), ...designs.keys()].filter(isSupplied)) {
      const lacked = (needs[n] as string[]).filter((path) => !isAvailable(path));
      if (
        lacked.every((path) => producerOf(path) === undefined || makers.get(path)?.some((maker) => relied.has(maker)))
      )
        relied.add(n);
    }
    for (const n of designs.keys()) {
      if (!isSupplied(n)) continue;
      assert.ok(isActive(n), `${n} is supplied and under way`);
      assert.ok(relied.has(n), `${n} is supplied by something`);
    }

    const flowsTo = (path: string): number | undefined => {
      const [first, ...others] = makers.get(path) ?? [];
      if (first === undefined || isAvailable(path)) return undefined;
      if (deep.has(path)) return [first, ...others].find((n) => isActive(n) && isSound(n));
      return isActive(first) ? first : others.find((n) => isActive(n) && isSound(n));
    };
    const urgency = new Map<number, { priority: number; path: number }>();
    const waitingFor = memo((n: number): number[] =>
      [...designs.keys()].filter((m) => isActive(m) && (needs[m] as string[]).some((path) => flowsTo(path) === n)),
    );
    const rank: (n: number) => number = memo((n) => 1 + Math.max(0, ...waitingFor(n).map(rank)));
    const order = [...designs.keys()].filter(isActive).sort((a, b) => rank(a) - rank(b));
    for (const n of designs.keys()) {
      const lacking = (needs[n] as string[]).filter((path) => !isAvailable(path)).length;
      const drv = graph.drvOf(drvPath(n)) as number;
      assert.equal(queue.missing(drv), lacking, `missing inputs of ${n}`);
      const own = unfinished(n);
      for (const build of own) {
        const { status, options } = build?.state ?? {};
        const due = options?.deferUntil === undefined;
        const ready = status === 'queued' && due && lacking === 0 && !textless.has(n);
        assert.equal(build?.heapIndex !== -1, ready, `readiness of ${n}`);
      }
    }
    for (const n of order) {
      const drv = graph.drvOf(drvPath(n)) as number;
      const own = unfinished(n);
      const waiting = waitingFor(n).map((m) => urgency.get(m) as { priority: number; path: number });
      const mine = {
        priority: Math.max(
          ...own.map((build) => build?.state.options.priority ?? 0),
          ...waiting.map(({ priority }) => priority),
        ),
        path: Math.max(0, ...waiting.map(({ path }) => path)),
      };
      assert.equal(queue.urgency.priority(drv), mine.priority, `derived priority of ${n}`);
      if (!all) {
        urgency.set(n, mine);
        continue;
      }
      // The expected duration is whatever was learnt when it was first asked for.
      const path = Math.fround(mine.path + queue.durations.expectedSeconds(drv));
      assert.equal(queue.urgency.criticalPath(drv), path, `critical path of ${n}`);
      urgency.set(n, { priority: mine.priority, path });
    }
    if (all) checkBlocked();

    // What blocks a build, at the root: without any memory of what was before.
    function checkBlocked(): void {
      const { blocked } = farm;
      // What no real store has: an item that refers to what is made of it. There, anything but an end without end will do.
      let goesRound = false;
      const open = new Set<string>();
      const causesOfItem = (path: string): ReadonlySet<string> => {
        if (open.has(path)) {
          goesRound = true;
          return new Set();
        }
        open.add(path);
        const causes = lookAt(path);
        open.delete(path);
        return causes;
      };
      const lookAt = (path: string): ReadonlySet<string> => {
        if (isAvailable(path)) return new Set();
        const references = present.get(path);
        if (references) return new Set(references.flatMap((other) => [...causesOfItem(other)]));
        const maker = flowsTo(path);
        if (maker !== undefined) return causesOf(maker);
        const producer = producerOf(path);
        const item = graph.itemOf(path) as number;
        if (producer === undefined) return new Set([farm.losses.get(item) ? 'source-lost' : 'source-missing']);
        if (!hasFailed(producer)) return new Set(['no-build']);
        return new Set([queue.latest(graph.drvOf(drvPath(producer)) as number)?.state.status as string]);
      };
      const causesOf = (n: number): ReadonlySet<string> => {
        const own = unfinished(n);
        if (own.length === 0 || own.some((build) => build?.state.status !== 'queued')) return new Set();
        return new Set([
          ...((paused || n % 5 === 0) && own.some((build) => !build?.deferred) ? ['no-agent'] : []),
          ...(textless.has(n) ? ['text-lost'] : []),
          ...(needs[n] as string[]).flatMap((path) => [...causesOfItem(path)]),
        ]);
      };
      for (const n of designs.keys()) causesOf(n);
      blocked.counts();
      if (goesRound) return;
      const counts = Object.fromEntries(blockingCauses.map((cause) => [cause, 0]));
      const standing = { blocked: 0, deferred: 0, waiting: 0, backoff: 0, ready: 0 };
      for (const n of designs.keys()) {
        const drv = graph.drvOf(drvPath(n)) as number;
        const causes = blockingCauses.filter((cause) => hasCause(blocked.causes(drv), cause));
        // Which of several producers is to blame may have changed without anything else.
        const isExact = makers.size === new Set([...makers.values()].flat()).size && deep.size === 0;
        const expected = [...causesOf(n)].sort();
        if (isExact) assert.deepEqual([...causes].sort(), expected, `what blocks ${n}`);
        assert.equal(blocked.isBlocked(drv), expected.length > 0, `whether ${n} is blocked: ${expected}`);
        for (const cause of causes) counts[cause] = (counts[cause] ?? 0) + unfinished(n).length;
        for (const build of queue.unfinishedOf(drv)) {
          const its = standingOf(farm, build);
          if (its) standing[its]++;
        }
        const { blockers, unfinished: all, blocked: number } = finish(findBlockers(farm, queue.unfinishedOf(drv)));
        assert.equal(all, unfinished(n).length);
        assert.equal(number, expected.length > 0 ? all : 0);
        // However little is looked at, something is named.
        const some = finish(findBlockers(farm, queue.unfinishedOf(drv), 2)).blockers;
        assert.equal(some.length > 0, expected.length > 0 && all > 0, `a root of ${n}`);
        const states = [...new Set(blockers.map(({ state }) => state))].sort();
        if (isExact) assert.deepEqual(states, [...causes].sort(), `roots of ${n}`);
        else assert.equal(states.length > 0, causes.length > 0, `whether ${n} has roots: ${states}`);
      }
      const all = builds.map((id) => queue.build(id)).filter((build) => build && !isEnded(build.state.status));
      const blockedBuilds = all.filter((build) => build && blocked.isBlocked(build.drv));
      assert.deepEqual(blocked.counts(), { blocked: blockedBuilds.length, causes: counts });
      for (const id of new Set(builds.map((build) => build.replace(/-[0-9]+$/, '')))) {
        const record = records.get(id) ?? { id, joined: [] };
        records.set(id, record);
        const own = all.filter((build) => build?.submission === id);
        const isBlocked = own.length > 0 && own.every((build) => build && blocked.isBlocked(build.drv));
        assert.equal(allBlocked(record as never), isBlocked, `whether all of ${id} is blocked`);
        assert.deepEqual(finish(buildsFor(farm, record)).map(buildId), queue.buildsOf(id).map(buildId));
      }
      // Every build is in one state.
      assert.deepEqual(countStandings(farm), standing);
      const total = Object.values(figuresOf(farm).builds).reduce((sum, count) => sum + count, 0);
      assert.equal(total, builds.length);
      const wanted = new Set(['blocked', 'waiting'] as const);
      const newest = builds.filter((id) => {
        const build = queue.build(id);
        const its = build && standingOf(farm, build);
        return its === 'blocked' || its === 'waiting';
      });
      assert.deepEqual(newestStanding(farm, wanted, 3).map(buildId), newest.slice(-3).reverse());
    }

    for (const jobClass of graph.jobClasses) {
      const order = [...queue.ready(jobClass).entries()];
      const first = queue.ready(jobClass).first();
      for (const other of order)
        if (first && other !== first) assert.ok(queue.before(first, other), 'the heap gives the most urgent first');
    }
  }

  const log = (other: Farm): void => {
    for (const event of history) other.apply(...event);
  };
  return { farm, check, log, history };
}

describe('the farm', () => {
  it('hands urgency on to a producer that is deeper than what needs it', () => {
    const plan = (inputs: number[], like?: number): Plan => ({ inputs, like, two: false, source: false });
    const designs = [plan([]), plan([]), plan([1]), plan([2], 0), plan([0])];
    const submit = (drv: number): Step => ({ type: 'submit', drv, priority: 0 });
    const build = (what: 'cancel' | 'prioritize', pick: number, priority = 0): Step => ({
      type: 'build',
      what,
      pick,
      priority,
    });
    const { farm } = play(designs, [submit(4), submit(3), submit(2), build('prioritize', 0, 2)]);
    const priority = (n: number): number => farm.queue.urgency.priority(farm.graph.drvOf(drvPath(n)) as number);
    assert.deepEqual([2, 3, 4].map(priority), [2, 2, 2]);
    play(designs, [submit(4), submit(3), submit(2), submit(0), build('prioritize', 0, 2), build('cancel', 3)]);
  });

  it('lets no urgency flow through what is there already', () => {
    // 2 makes what 0 makes, and needs what 1 made of it: that is there, though 1 is under way once more.
    const plan = (inputs: number[], like?: number): Plan => ({ inputs, like, two: false, source: false });
    const designs = [plan([]), plan([0]), plan([1], 0)];
    play(designs, [
      { type: 'add', item: 1, references: [] },
      { type: 'submit', drv: 1, priority: 0 },
      { type: 'submit', drv: 2, priority: 1 },
      { type: 'remove', item: 1, references: [] },
    ]);
  });

  it('goes round by no source that is made of what needs it', () => {
    const plan = (inputs: number[], made?: number): Plan => ({
      inputs,
      like: undefined,
      two: false,
      source: false,
      made,
    });
    const submit = (drv: number): Step => ({ type: 'submit', drv, priority: 0 });
    play([plan([], 0)], [submit(0)]);
    play([plan([], 1), plan([0])], [submit(1), submit(0)]);
    play(
      [plan([], 2), plan([0]), plan([1])],
      [submit(2), submit(1), submit(0), { type: 'add', item: 0, references: [] }],
    );
    // One that can be made without what needs it is made.
    const { farm } = play([plan([], 2), plan([]), plan([1])], [submit(2), submit(0)]);
    assert.equal(farm.producers.of(farm.graph.itemOf(outputPath(2, 'out')) as number), 2);
  });

  it('agrees with a naive model after every event', () => {
    fc.assert(
      fc.property(plans, fc.array(step, { maxLength: 60 }), (designs, steps) => play(designs, steps).check()),
      { numRuns: 300 },
    );
  });

  it('is the same after a replay (I3)', () => {
    fc.assert(
      fc.property(plans, fc.array(step, { maxLength: 60 }), (designs, steps) => {
        const { farm, log } = play(designs, steps);
        const replayed = createFarm();
        log(replayed);
        assert.deepEqual([...replayed.describe()], [...farm.describe()]);
      }),
      { numRuns: 100 },
    );
  });

  it('is the same where it goes on from a snapshot (I3)', () => {
    fc.assert(
      fc.property(plans, fc.array(step, { maxLength: 60 }), fc.nat(), (designs, steps, pick) => {
        const { history } = play(designs, steps);
        const at = pick % (history.length + 1);
        const whole = createFarm();
        for (const event of history.slice(0, at)) whole.apply(...event);
        const again = createFarm();
        loadParts(again.parts, saveFarm(whole));
        assert.deepEqual(knownTo(again), knownTo(whole), 'what was loaded is what was saved');
        for (const event of history.slice(at)) {
          whole.apply(...event);
          again.apply(...event);
        }
        assert.deepEqual(knownTo(again), knownTo(whole));
        assert.deepEqual([...again.describe()], [...whole.describe()]);
      }),
      { numRuns: 100 },
    );
  });

  it('finds as needs exactly what is not there and not under way', () => {
    fc.assert(
      fc.property(plans, fc.array(step, { maxLength: 40 }), fc.nat(13), (designs, steps, pick) => {
        const { farm } = play(designs, steps);
        const root = pick % designs.length;
        const drv = farm.graph.drvOf(drvPath(root)) as number;
        const { build, joined, available } = findNeeds(farm, [drv], { inputs: true, force: false });
        const paths = build.map((needed) => farm.graph.drvPath(needed));
        assert.equal(new Set(paths).size, paths.length);
        for (const needed of build) assert.equal(farm.queue.unfinished(needed), undefined);
        // Dependents first.
        const depths = build.map((needed) => farm.graph.depth(needed));
        assert.deepEqual(
          depths,
          [...depths].sort((a, b) => b - a),
        );
        assert.ok(available + joined.length + build.length > 0 || farm.availability.references(0) !== undefined);
        // Each input of what is to be built is available, is made by what is to be built or is under way, refers to something
        // that is, or is a source.
        for (const needed of build)
          farm.graph.eachNeed(needed, (item) => {
            if (farm.availability.isPresent(item)) return;
            const producer = farm.producers.of(item);
            if (producer === undefined) return;
            assert.ok(
              build.includes(producer) || farm.queue.unfinished(producer),
              `nothing makes ${farm.graph.itemPath(item)}`,
            );
          });
      }),
      { numRuns: 200 },
    );
  });

  it('finds what makes a source, once that is known', () => {
    const farm = createFarm();
    const add = (n: number, sources: string[]): void => {
      const one = { path: drvPath(n), system: 's', outputs: { out: outputPath(n, 'out') }, inputs: [], sources };
      farm.apply('derivation', drvPath(n).slice(0, 32), { type: 'DerivationAdded', data: one }, 0, 0);
    };
    add(1, [outputPath(2, 'out')]);
    const data = {
      derivation: drvPath(1),
      submission: 's',
      reason: 'requested',
      options: { priority: 0 },
    } as const;
    farm.apply('build', 's-1', { type: 'BuildSubmitted', data }, 0, 0);
    farm.supply.takeIn([0]);
    assert.ok(farm.supply.has(0));
    add(2, []);
    assert.deepEqual(findNeeds(farm, [0], { inputs: true, force: false }).build, [1]);
  });

  it('builds roots again with force, and joins what is under way without', () => {
    const designs: Plan[] = [{ inputs: [], like: undefined, two: false, source: false }];
    const { farm } = play(designs, [
      { type: 'submit', drv: 0, priority: 0 },
      { type: 'add', item: 0, references: [] },
    ]);
    const joinedOrThere = findNeeds(farm, [0], { inputs: true, force: false });
    assert.deepEqual([joinedOrThere.build, joinedOrThere.available], [[], 1]);
    assert.deepEqual(findNeeds(farm, [0], { inputs: true, force: true }).build, [0]);
    const { farm: without } = play(designs, [{ type: 'submit', drv: 0, priority: 0 }]);
    assert.deepEqual(findNeeds(without, [0], { inputs: true, force: false }).joined.map(buildId), ['s-1']);
  });
});
