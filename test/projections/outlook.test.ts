import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { mostNodes, type Outlook, outlook } from '../../projections/outlook.ts';
import { createTimedFarm, type TimedFarm } from '../support/timed-farm.ts';

function look(farm: TimedFarm, now: number): Outlook {
  const steps = outlook(farm.farm, farm.farm.queue.buildsOf('s'), now);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** A farm with one agent of one slot; `needs` says what each derivation needs, and all are submitted at 1000. */
function farmOf(needs: readonly (readonly number[])[]): TimedFarm {
  const farm = createTimedFarm();
  for (const [n, inputs] of needs.entries()) farm.derivation(n, inputs);
  farm.at(900).agent('a', 'AgentRegistered', { name: 'a' });
  farm.connect('a');
  farm.at(1000);
  for (const n of needs.keys()) farm.build(`s-${n + 1}`, { type: 'BuildSubmitted', data: farm.submitted(n) });
  return farm;
}
const start = (farm: TimedFarm, n: number, at: number): void => {
  farm.at(at).build(`s-${n + 1}`, { type: 'BuildAllocated', data: { attempt: 1, agent: 'a' } });
  farm.build(`s-${n + 1}`, { type: 'BuildStarted', data: { attempt: 1 } });
};
const end = (farm: TimedFarm, n: number, at: number, durationMs: number): void => {
  farm.at(at).add(n);
  farm.build(`s-${n + 1}`, { type: 'BuildSucceeded', data: { attempt: 1, agent: 'a', outputs: {}, durationMs } });
};

describe('the outlook of a submission', () => {
  it('says nothing of the end before anything was built, and then by the mean of what was', () => {
    const farm = farmOf([[], [0], [1]]);
    assert.deepEqual(look(farm, 1000).estimate, { builds: 3, unknown: 3, without: 0 });
    start(farm, 0, 1000);
    end(farm, 0, 1400, 400);
    start(farm, 1, 1500);
    // The one that runs has 300 left, and another 400 come after it.
    assert.deepEqual(look(farm, 1600).estimate, { endsAt: 2300, builds: 2, unknown: 2, without: 0 });
    // It takes longer than it should: it is not taken to end at once.
    assert.equal(look(farm, 2500).estimate.endsAt, 3000);
  });

  it('takes the median of what the same took before, with fetching and uploading', () => {
    const farm = farmOf([[], []]);
    // The first one is forgotten when the sixth comes.
    for (const [index, buildingMs] of [1, 400, 300, 500, 350, 90_000].entries()) {
      const id = `s-${index + 3}`;
      farm.at(2000).build(id, { type: 'BuildSubmitted', data: farm.submitted(0) });
      farm.build(id, { type: 'BuildAllocated', data: { attempt: 1, agent: 'a' } });
      const phases = { fetchingMs: 100, buildingMs, uploadingMs: 50 };
      const data = { attempt: 1, agent: 'a', outputs: {}, durationMs: 7, phases };
      farm.build(id, { type: 'BuildSucceeded', data });
    }
    start(farm, 0, 5000);
    const { nodes, estimate } = look(farm, 5000);
    assert.deepEqual([nodes[0]?.before, nodes[1]?.before], [550, undefined]);
    // 1 is of another name: nothing is known of it but what 0 took.
    assert.deepEqual(estimate, { endsAt: 6100, builds: 2, unknown: 1, without: 0 });
  });

  it('goes by what other coordinators say of theirs, as long as there is nothing newer', () => {
    const farm = farmOf([[], []]);
    const told = (derivation: string, ms: number, more: object = {}) => {
      const build = { id: 'u', derivation, outcome: 'succeeded' as const, startedAt: 0, endedAt: ms, ...more };
      farm.farm.apply('history', 'gbc', { type: 'EarlierBuildsRecorded', data: { builds: [build] } }, 0, 1000);
    };
    const before = () => look(farm, 5000).nodes.find(({ build }) => build === 's-1')?.before;
    const [mine] = farm.farm.queue.buildsOf('s');
    const derivation = farm.farm.graph.drvPath(mine?.drv as number);
    const another = derivation.replace(/^.{32}/, 'z'.repeat(32));
    start(farm, 0, 5000);
    told(derivation, 400);
    // Another derivation of that name, which is not known here: as it is told, and not at all where it is not.
    told(another, 600, { system: 'x86_64-linux', fixed: false });
    assert.equal(before(), 500);
    for (const more of [{ system: 'x86_64-linux' }, { system: 'x86_64-linux', fixed: true }, { fixed: false }])
      told(another, 100_000, more);
    told(derivation, 100_000, { outcome: 'failed' });
    told(derivation, 100_000, { startedAt: undefined });
    told(derivation, -1);
    told(derivation, 15 * 24 * 3_600_000);
    assert.equal(before(), 500);
    // Those of this coordinator are newer, whenever the others are told of; the five newest count.
    for (const [index, durationMs] of [1000, 2000, 3000, 4000].entries()) {
      const id = `s-${index + 3}`;
      farm.build(id, { type: 'BuildSubmitted', data: farm.submitted(0) });
      farm.build(id, { type: 'BuildAllocated', data: { attempt: 1, agent: 'a' } });
      farm.build(id, { type: 'BuildSucceeded', data: { attempt: 1, agent: 'a', outputs: {}, durationMs } });
    }
    assert.equal(before(), 2000);
    told(derivation, 9000);
    assert.equal(before(), 3000);
    told(derivation, 1);
    assert.equal(before(), 2000);
  });

  it('shows what runs and what most critically waits for it, and counts', () => {
    // 3 needs 1 and 2, which need 0; 4 needs 0 alone.
    const farm = farmOf([[], [0], [0], [1, 2], [0]]);
    start(farm, 0, 1000);
    const { counts, nodes } = look(farm, 1100);
    assert.deepEqual(
      nodes.map(({ build, state, parent, agent, since, lacks }) => [build, state, parent, agent, since, lacks]),
      [
        ['s-1', 'building', 's-2', 'a', 1000, 0],
        ['s-2', 'waiting', 's-4', undefined, undefined, 1],
        ['s-4', 'waiting', undefined, undefined, undefined, 2],
      ],
    );
    assert.deepEqual([counts.building, counts.waiting, counts.ready], [1, 4, 0]);
  });

  it('leaves out of the estimate what is blocked and what no agent takes', () => {
    const farm = farmOf([[], [0], []]);
    start(farm, 2, 1000);
    end(farm, 2, 1100, 100);
    farm.build('s-1', { type: 'BuildCanceled', data: {} } as never);
    const { counts, estimate, nodes } = look(farm, 1200);
    assert.equal(counts.blocked, 1);
    assert.deepEqual(estimate, { builds: 0, unknown: 0, without: 1 });
    assert.deepEqual(
      nodes.map(({ build, state }) => [build, state]),
      [['s-2', 'blocked']],
    );
    const other = farmOf([[]]);
    other.agent('a', 'AgentPaused', {});
    const paused = look(other, 1000);
    assert.deepEqual(paused.estimate, { builds: 0, unknown: 0, without: 1 });
    // The state is what lists and `why` call it, too: nothing under way starts it.
    assert.deepEqual([paused.counts.ready, paused.counts.blocked, paused.nodes[0]?.state], [0, 1, 'blocked']);
  });

  it('is bounded, counts every build once, and has each node below one that is there', () => {
    const graphs = fc.array(fc.array(fc.nat(), { maxLength: 4 }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(graphs, fc.nat(), (all, runs) => {
        const needs = all.map((inputs, n) => (n === 0 ? [] : [...new Set(inputs.map((input) => input % n))]));
        const farm = farmOf(needs);
        const ready = needs.flatMap((inputs, n) => (inputs.length === 0 ? [n] : []));
        start(farm, ready[runs % ready.length] as number, 1000);
        const { counts, nodes, estimate } = look(farm, 1100);
        assert.equal(
          Object.values(counts).reduce((sum, count) => sum + count, 0),
          needs.length,
        );
        assert.ok(nodes.length <= mostNodes);
        const ids = new Set(nodes.map(({ build }) => build));
        assert.equal(ids.size, nodes.length);
        for (const { parent } of nodes) assert.ok(parent === undefined || ids.has(parent));
        assert.deepEqual([estimate.builds, estimate.without], [needs.length, 0]);
      }),
      { numRuns: 50 },
    );
  });
});
