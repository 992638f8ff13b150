import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { type BuildState, initialBuild } from '../../domain/build/state.ts';
import { createReadyHeap } from '../../domain/scheduling/ready-heap.ts';
import { type BuildRecord, buildId, createBuildSet, createBuilds } from '../../projections/builds.ts';
import { createMemory } from '../../projections/memory.ts';

const statuses = ['queued', 'running', 'succeeded'] as const;
const step = fc.record({
  does: fc.constantFrom('add', 'state', 'rest', 'defer', 'revise', 'take up again'),
  pick: fc.nat(1000),
});
const plain = (build: BuildRecord) => ({
  id: buildId(build),
  drv: build.drv,
  order: build.order,
  state: build.state,
  revision: build.revision,
  asked: build.asked,
  resting: build.resting,
  deferred: build.deferred,
  previous: build.previous && buildId(build.previous),
});

it('builds as rows of columns say what as many objects would, also after they were saved and loaded', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let memory = createMemory();
      let builds = createBuilds(memory);
      const model: ReturnType<typeof plain>[] = [];
      const lastOf = (drv: number) => model.findLast((build) => build.drv === drv);
      for (const { does, pick } of steps) {
        const expected = model[pick % Math.max(1, model.length)];
        const build = expected && (builds.find(expected.id) as BuildRecord);
        if (does === 'add') {
          // Numbers of one submission come in order, with gaps.
          const submission = `s-${pick % 3}`;
          const last = model.findLast(({ id }) => id.startsWith(`${submission}-`));
          const number = Number(last?.id.split('-')[2] ?? 0) + 1 + (pick % 2);
          const of = { drv: pick % 4, order: model.length * 2, revision: 0, asked: 'input' as const };
          const state: BuildState = { ...initialBuild, status: 'queued', options: { priority: pick % 2 } };
          const previous = lastOf(of.drv)?.id;
          builds.add({ submission, number, ...of }, state);
          model.push({ id: `${submission}-${number}`, ...of, state, resting: false, deferred: false, previous });
        } else if (does === 'take up again') {
          const saved = new Map(Array.from(memory.parts, ([name, part]) => [name, structuredClone(part.save())]));
          memory = createMemory();
          builds = createBuilds(memory);
          for (const [name, part] of memory.parts) part.load(saved.get(name));
        } else if (expected && build) {
          const wanted = pick % 2 === 0;
          if (does === 'state') {
            expected.state = { ...expected.state, status: statuses[pick % 3] as 'queued' };
            builds.setState(build, expected.state);
          } else if (does === 'rest') {
            expected.resting = wanted;
            builds.setResting(build, wanted);
          } else if (does === 'defer') {
            expected.deferred = wanted;
            builds.setDeferred(build, wanted);
          } else {
            expected.revision = pick;
            build.revision = pick;
          }
        }
      }
      assert.deepEqual(Array.from(builds.all(), plain), model);
      for (const expected of model) assert.deepEqual(plain(builds.find(expected.id) as BuildRecord), expected);
      for (const id of ['s-0', 's-1', 's-2'])
        assert.deepEqual(
          builds.of(id).map(plain),
          model.filter((build) => build.id.startsWith(`${id}-`)),
        );
      for (let drv = 0; drv < 5; drv++) {
        const latest = builds.latest(drv);
        assert.equal(latest && buildId(latest), lastOf(drv)?.id);
      }
      assert.equal(builds.find('s-9-1'), undefined);
      assert.equal(builds.find('s-0-0'), undefined);
    }),
  );
});

it('a heap and a set take two objects of one build for the same', () => {
  const builds = createBuilds();
  const of = { submission: 's', drv: 0, revision: 0, asked: 'requested' } as const;
  for (let n = 0; n < 5; n++) builds.add({ ...of, number: n + 1, order: n }, initialBuild);
  const heap = createReadyHeap<BuildRecord>((a, b) => a.order < b.order);
  const set = createBuildSet(builds.all());
  for (const build of builds.all()) heap.add(build);
  for (const row of [4, 0, 2]) {
    heap.remove(builds.at(row));
    set.delete(builds.at(row));
  }
  assert.deepEqual(
    heap.entries().map(({ row }) => row),
    [1, 3],
  );
  assert.deepEqual(Array.from(set, buildId), ['s-2', 's-4']);
  assert.equal(set.has(builds.at(3)), true);
  assert.equal(builds.at(4).heapIndex, -1);
});
