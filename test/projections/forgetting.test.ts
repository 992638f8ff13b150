import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { DerivationFacts } from '../../domain/derivation/events.ts';
import type { DroverEvent } from '../../domain/events.ts';
import { newestPace } from '../../domain/memory/events.ts';
import { findBlockers } from '../../projections/blockers.ts';
import { type BuildRecord, type BuildSet, buildId, createBuildSet } from '../../projections/builds.ts';
import { createFarm, type Farm } from '../../projections/farm.ts';
import { findNeeds } from '../../projections/needs.ts';
import { outlook } from '../../projections/outlook.ts';
import { createPace } from '../../projections/pace.ts';
import { mostGraphNodes, mostGraphParts, submissionGraph } from '../../projections/submission-graph.ts';
import { submissionTimes } from '../../projections/submission-times.ts';
import { unforgotten } from '../../projections/unforgotten.ts';
import { consequencesOf, countWaiting, dependentsOf, unwantedBuilds } from '../../projections/wants.ts';
import { knownTo, loadParts, saveFarm } from '../support/farm-parts.ts';
import { fakeBase, fakeSha256 } from '../support/paths.ts';

const options = { priority: 0 };
const drvPath = (n: number): string => fakeBase('d', n, '.drv');
const outPath = (n: number): string => fakeBase('out', n);

/** Events for a farm that forgets and for one that does not, which get the same but for what only the first has to be told again. */
function createFarms(inputsOf: (n: number) => readonly number[], remembered: number) {
  let [farm, whole] = [createFarm(), createFarm(0, false)];
  const history: Parameters<Farm['apply']>[] = [];
  const revisions = new Map<string, number>();
  let at = 1_790_000_000_000;
  let submissions = 0;

  function apply(category: Parameters<Farm['apply']>[0], id: string, event: DroverEvent): void {
    const stream = `${category}-${id}`;
    const revision = (revisions.get(stream) ?? -1) + 1;
    revisions.set(stream, revision);
    const args = [category, id, event, revision, at++, undefined, undefined, 'ci'] as const;
    history.push([...args]);
    farm.apply(...args);
    whole.apply(...args);
  }

  apply('memory', 'builds', { type: 'BuildsRemembered', data: { builds: remembered, pace: newestPace } });

  const facts = (n: number): DerivationFacts => ({
    path: drvPath(n),
    system: 'x86_64-linux',
    outputs: { out: outPath(n) },
    inputs: inputsOf(n).map((input) => drvPath(input).slice(0, 32)),
    sources: [],
  });

  /** What the one that forgets does not know, inputs first. */
  function add(root: number): void {
    const pending = [root];
    for (let n = pending.at(-1); n !== undefined; n = pending.at(-1)) {
      const lacking = inputsOf(n).filter((input) => farm.graph.drvOf(drvPath(input)) === undefined);
      if (lacking.length > 0) {
        pending.push(...lacking);
        continue;
      }
      pending.pop();
      if (farm.graph.drvOf(drvPath(n)) === undefined)
        apply('derivation', drvPath(n).slice(0, 32), { type: 'DerivationAdded', data: facts(n) });
    }
  }

  return {
    add,
    get farm() {
      return farm;
    },
    get whole() {
      return whole;
    },
    history,
    apply,
    /** Both find the same to be needed. */
    needsOf(root: number): string[] {
      const [own, all] = [farm, whole].map((one) => {
        const { build } = findNeeds(one, [one.graph.drvOf(drvPath(root)) as number], { inputs: true, force: false });
        return build.map(one.graph.drvPath).sort();
      });
      assert.deepEqual(own, all);
      return own as string[];
    },
    submit(root: number): string {
      const id = `s${submissions++}`;
      const wish = { roots: [drvPath(root)], rootCount: 1, options, inputs: true, force: false };
      apply('submission', id, {
        type: 'SubmissionReceived',
        data: { storeDir: '/nix/store', ...wish, reason: 'requested', wish: 'w' },
      });
      add(root);
      const { joined, available } = findNeeds(farm, [farm.graph.drvOf(drvPath(root)) as number], {
        inputs: true,
        force: false,
      });
      const needed = this.needsOf(root);
      for (const [index, derivation] of needed.entries())
        apply('build', `${id}-${index + 1}`, {
          type: 'BuildSubmitted',
          data: { derivation, submission: id, reason: derivation === drvPath(root) ? 'requested' : 'input', options },
        });
      if (joined.length > 0)
        apply('submission', id, { type: 'SubmissionJoined', data: { builds: joined.map(buildId) } });
      apply('submission', id, {
        type: 'SubmissionQueued',
        data: { derivations: 0, builds: needed.length, available, joined: joined.length },
      });
      return id;
    },
    /** Builds what is ready, or the first `most` of it. */
    work(fails: (n: number) => boolean, most = Number.POSITIVE_INFINITY): number {
      const ready = [...farm.queue.unfinishedBuilds()].filter(({ heapIndex }) => heapIndex !== -1).slice(0, most);
      for (const build of ready) {
        const id = buildId(build);
        const path = farm.graph.drvPath(build.drv);
        const n = Number(path.slice(34, -4));
        const attempt = build.state.attempt + 1;
        apply('build', id, { type: 'BuildAllocated', data: { agent: 'a', attempt } });
        apply('build', id, { type: 'BuildStarted', data: { attempt } });
        if (fails(n))
          apply('build', id, { type: 'BuildFailed', data: { attempt, class: 'builder-failed', message: 'no' } });
        else {
          const file = { hash: fakeSha256(n), size: 1, compression: 'none' } as const;
          const item = {
            path: outPath(n),
            narHash: fakeSha256(n),
            narSize: 1,
            references: n % 2 === 1 ? inputsOf(n).map(outPath) : [],
            file,
            signatures: [],
            deriver: path,
          };
          if (!farm.availability.isPresent(farm.graph.itemOf(outPath(n)) as number))
            apply('item', outPath(n).slice(0, 32), { type: 'StoreItemAdded', data: item });
          apply('build', id, {
            type: 'BuildSucceeded',
            data: { agent: 'a', attempt, durationMs: 5, outputs: {}, logBytes: 0 } as never,
          });
        }
      }
      return ready.length;
    },
    remove(n: number): void {
      const item = farm.graph.itemOf(outPath(n));
      if (item !== undefined && farm.availability.isPresent(item))
        apply('item', outPath(n).slice(0, 32), {
          type: 'StoreItemDeleted',
          data: { path: outPath(n), reason: 'test' },
        });
    },
    /** What is under way is the same to both. */
    check(): void {
      const [own, all] = [farm, whole].map((one) =>
        Array.from(one.queue.unfinishedBuilds(), (build) => ({
          id: buildId(build),
          state: build.state,
          lacks: one.queue.missing(build.drv),
          isReady: build.heapIndex !== -1,
          causes: one.blocked.causes(build.drv),
          derivation: one.graph.drvPath(build.drv),
          outputs: one.graph.outputs(build.drv).map(({ item }) => one.graph.itemPath(item)),
        })).sort((a, b) => (a.id < b.id ? -1 : 1)),
      );
      assert.deepEqual(own, all);
      assert.deepEqual(farm.queue.counts(), whole.queue.counts());
      assert.equal(farm.availability.present, whole.availability.present);
    },
    /** Goes on from what a snapshot would have. */
    load(): void {
      const again = createFarm();
      loadParts(again.parts, saveFarm(farm));
      assert.deepEqual(knownTo(again), knownTo(farm));
      farm = again;
    },
  };
}

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('submit' as const), n: fc.nat(19) }) },
  { weight: 5, arbitrary: fc.record({ type: fc.constant('work' as const), most: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('remove' as const), n: fc.nat(19) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constantFrom('keep' as const, 'release' as const), n: fc.nat(19) }) },
  { weight: 1, arbitrary: fc.constant({ type: 'load' as const }) },
);

describe('what is over is forgotten', () => {
  it('and what is under way is as if nothing were', () => {
    let forgotten = 0;
    const designs = fc.array(fc.uniqueArray(fc.nat(19), { maxLength: 3 }), { minLength: 20, maxLength: 20 });
    fc.assert(
      fc.property(designs, fc.array(step, { maxLength: 60 }), fc.constantFrom(1, 20, 60), (all, steps, remembered) => {
        const farms = createFarms((n) => (all[n] as number[]).filter((input) => input < n), remembered);
        for (const one of steps) {
          if (one.type === 'submit') farms.submit(one.n);
          else if (one.type === 'work') farms.work((n) => n % 7 === 3, one.most);
          else if (one.type === 'remove') farms.remove(one.n);
          else if (one.type === 'load') farms.load();
          else {
            const targets = [outPath(one.n)];
            if (one.type === 'keep') farms.apply('root', 'r', { type: 'RootAdded', data: { targets, source: 'api' } });
            else if (farms.farm.roots.get('r')?.state.targets.has(outPath(one.n)))
              farms.apply('root', 'r', { type: 'RootRemoved', data: { targets } as never });
          }
          farms.check();
        }
        const again = createFarm();
        for (const event of farms.history) again.apply(...event);
        assert.deepEqual(new Set(again.describe()), new Set(farms.farm.describe()), 'I3');
        forgotten += farms.farm.forgetting.derivations;
      }),
      { numRuns: 150 },
    );
    assert.ok(forgotten > 0);
  });

  it('so that a farm is as large as what it has to do, not as what it has done', () => {
    // Ten at a time that need each other and the first three.
    const farms = createFarms((n) => (n < 3 ? [] : n % 10 < 3 ? [n % 3] : [n - 1, n - 3]), 30);
    const save = (name: string) => farms.farm.parts.get(name)?.save() as { length: number; size: number };
    const sizes = (): number[] => [
      farms.farm.graph.derivationRows,
      farms.farm.graph.itemRows,
      ...[
        'queue.builds.order',
        'timeline.since',
        'graph.needs.targets',
        'availability.references.targets',
        'details.itemOf',
      ].map((name) => save(name).length),
      ...[
        'submissions.submissions',
        'submissions.joiners',
        'graph.free',
        'availability.references.tied',
        'lossRevisions',
      ].map((name) => save(name).size),
    ];
    const run = (from: number, to: number): void => {
      for (let n = from; n < to; n++) {
        farms.submit(n);
        while (farms.work((one) => one % 10 === 9) > 0);
        // What is ten behind is of no use to what comes.
        if (n % 10 === 9) for (let old = Math.max(3, n - 29); old < n - 19; old++) farms.remove(old);
      }
    };
    run(0, 200);
    const early = sizes();
    run(200, 500);
    assert.deepEqual(sizes(), early);
    farms.check();
    assert.equal(farms.farm.queue.counts().succeeded + farms.farm.queue.counts().failed > 450, true);
  });

  it('and so fast that submissions of much that is there, in few events, do not pile up', () => {
    const all = 400;
    const farms = createFarms(() => [], 100);
    const roots = Array.from({ length: all }, (_, n) => drvPath(n));
    let most = 0;
    for (let round = 0; round < 120; round++) {
      for (let n = 0; n < all; n++) farms.add(n);
      const wish = { roots, rootCount: all, options, inputs: true, force: false };
      const of = { storeDir: '/nix/store', reason: 'requested', wish: 'w' } as const;
      farms.apply('submission', `r${round}`, { type: 'SubmissionReceived', data: { ...of, ...wish } });
      const data = { derivations: 0, builds: 0, available: all, joined: 0 };
      farms.apply('submission', `r${round}`, { type: 'SubmissionQueued', data });
      most = Math.max(most, farms.farm.forgetting.weight);
    }
    assert.ok(most < 40 * all, `${most} builds are remembered`);
  });
});

describe('what is forgotten while somebody looks', () => {
  /** Each group of ten has one that needs the three before it, of which one fails. */
  const inputsOf = (n: number): number[] => (n % 10 === 9 ? [n - 1, n - 2, n - 3] : []);
  const own = [6, 7, 8, 9].map(drvPath);
  const most = { nodes: mostGraphNodes, parts: mostGraphParts };
  const pace = () => createPace(1);

  function open() {
    const farms = createFarms(inputsOf, 1);
    const { farm } = farms;
    const first = farms.submit(9);
    let groups = 1;
    const held = () => !farm.forgetting.isLetGo(first) && farm.submissions.get(first) !== undefined;
    return {
      farm,
      first,
      /** The builds of the first submission end, then others come, and have their rows by and by. */
      live(): void {
        if (farms.work((n) => n % 10 === 8, 1) > 0) return;
        for (const build of [...farm.queue.unfinishedBuilds()])
          farms.apply('build', buildId(build), { type: 'BuildCanceled', data: {} });
        farms.submit(10 * groups++ + 9);
      },
      /** Walks the builds of the first submission for as long as that is held. */
      ofFirst<Value>(walk: (builds: readonly BuildRecord[]) => Generator<undefined, Value>) {
        const begin = function* () {
          return held() ? yield* walk(farm.queue.buildsOf(first)) : undefined;
        };
        return unforgotten(farm, begin, held);
      },
    };
  }

  /** So much has happened before anybody looks: nothing, or all up to when the first submission is about to be let go. */
  const lives = [0, 1, 2, 3, 4, 5, 6];

  /** They have their turn by turns, and something happens after each. */
  function lookAll({ live }: ReturnType<typeof open>, all: readonly Generator[]): void {
    for (const left = new Set(all); left.size > 0; live())
      for (const one of left) if (one.next().done) left.delete(one);
  }

  it('is told of as it was, or not at all, and never by what has its rows', () => {
    let [told, notHeld] = [0, 0];
    for (const before of lives) {
      const opened = open();
      for (let n = 0; n < before; n++) opened.live();
      const { farm, first, ofFirst } = opened;
      const isOwn = ({ build, derivation }: { build: string; derivation: string }): boolean =>
        build.startsWith(`${first}-`) && own.includes(derivation);
      function* look<Value>(
        walk: (builds: readonly BuildRecord[]) => Generator<undefined, Value>,
        check: (value: Value) => void,
      ) {
        const value = yield* ofFirst(walk);
        if (value === undefined) return void notHeld++;
        check(value);
        told++;
      }
      lookAll(opened, [
        look(
          (builds) => submissionGraph(farm, builds, '', undefined, 0, most, pace()),
          ({ graph: { nodes = [], edges, states } }) => {
            assert.ok(nodes.length === 4 && nodes.every(isOwn), JSON.stringify(nodes));
            assert.deepEqual([edges?.length, states.length], [6, 4]);
          },
        ),
        look(
          (builds) => outlook(farm, builds, 0, pace()),
          ({ counts, nodes }) => {
            const sum = Object.values(counts).reduce((all, count) => all + count);
            assert.ok(sum === 4 && nodes.every(isOwn), JSON.stringify({ counts, nodes }));
          },
        ),
        look(
          (builds) => submissionTimes(farm, builds, 2e12, 1),
          (times) => assert.ok(times?.builds === 4 && times.criticalPath.steps.every(isOwn), JSON.stringify(times)),
        ),
        look(
          (builds) => findBlockers(farm, builds, undefined, pace()),
          ({ unfinished, blocked }) => assert.ok(blocked <= unfinished && unfinished <= 4),
        ),
      ]);
    }
    assert.ok(told > 5 && notHeld > 5, `${told} and ${notHeld}`);
  });

  it('is not cancelled any more, nor is what has its rows', () => {
    let forgotten = 0;
    for (const before of lives) {
      const opened = open();
      for (let n = 0; n < before; n++) opened.live();
      const { farm, first } = opened;
      const [named, others] = [0, 1].map(() => createBuildSet(farm.queue.buildsOf(first).slice(0, 3))) as [
        BuildSet,
        BuildSet,
      ];
      function* ending() {
        const dependents = yield* dependentsOf(farm, named, pace());
        const builds = createBuildSet([...named, ...dependents]);
        const found = yield* consequencesOf(farm, { builds, from: builds }, pace());
        const waiting = yield* countWaiting(farm, found.ends, pace());
        return { dependents, waiting, ...found };
      }
      function* look() {
        const { dependents, waiting, ends, kept, unwanted } = yield* unforgotten(farm, ending, () => named.isWhole);
        for (const build of [...named, ...dependents, ...ends, ...kept, ...unwanted])
          assert.equal(build.submission, first);
        assert.equal(waiting, 0);
        if ([...named].length < 3) forgotten++;
      }
      function* release() {
        assert.deepEqual([...(yield* unforgotten(farm, () => unwantedBuilds(farm, pace())))], []);
      }
      lookAll(opened, [look(), release()]);
      // By now others have the rows.
      const rows = new Set<number>();
      for (let n = 0; n < 12; n++, opened.live())
        for (const build of farm.queue.unfinishedBuilds()) {
          rows.add(build.row);
          assert.equal(others.has(build), false);
        }
      assert.ok(rows.has(0));
    }
    assert.ok(forgotten > 2, `${forgotten}`);
  });
});
