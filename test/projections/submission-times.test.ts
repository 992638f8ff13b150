import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { BuildRecord } from '../../projections/builds.ts';
import { mostSteps, submissionTimes } from '../../projections/submission-times.ts';
import { createTimedFarm, type TimedFarm } from '../support/timed-farm.ts';

function timesOf(farm: TimedFarm, now: number) {
  const steps = submissionTimes(farm.farm, farm.farm.queue.buildsOf('s'), now);
  let step = steps.next();
  while (!step.done) step = steps.next();
  return step.value ?? assert.fail('there is no build');
}

/** Runs a build from its allocation on: the times of its allocation, start and end. */
function run(
  farm: TimedFarm,
  n: number,
  [allocated, started, ended]: readonly [number, number, number],
  attempt = 1,
): void {
  const id = `s-${n + 1}`;
  farm.at(allocated).build(id, { type: 'BuildAllocated', data: { attempt, agent: 'a' } });
  farm.at(started).build(id, { type: 'BuildStarted', data: { attempt } });
  farm.at(ended).add(n);
  const phases = { fetchingMs: started - allocated, buildingMs: ended - started, uploadingMs: 0 };
  const data = { attempt, agent: 'a', outputs: {}, durationMs: ended - started, phases };
  farm.build(id, { type: 'BuildSucceeded', data });
}

/** 2 needs 0 and 1; all are submitted at 1000. */
function diamond(): TimedFarm {
  const farm = createTimedFarm();
  farm.derivation(0);
  farm.derivation(1);
  farm.derivation(2, [0, 1]);
  farm.at(900).agent('a', 'AgentRegistered', { name: 'a' });
  farm.connect('a');
  farm.at(1000);
  for (const n of [0, 1, 2]) farm.build(`s-${n + 1}`, { type: 'BuildSubmitted', data: farm.submitted(n) });
  return farm;
}

describe('the times of a submission', () => {
  it('names the builds that determined its end, and what they waited for', () => {
    const farm = diamond();
    run(farm, 0, [1000, 1010, 1100]);
    run(farm, 1, [1100, 1120, 1400]);
    run(farm, 2, [1450, 1460, 1500]);
    const { phases, builds, untold, criticalPath, advice } = timesOf(farm, 9999);
    assert.deepEqual(
      criticalPath.steps.map(({ build, from, to, phases: own }) => [build, from, to, own]),
      [
        ['s-2', 1000, 1400, { slot: 100, fetching: 20, building: 280 }],
        ['s-3', 1400, 1500, { slot: 50, fetching: 10, building: 40 }],
      ],
    );
    assert.equal(criticalPath.ended, true);
    assert.equal(criticalPath.builds, 2);
    assert.equal(untold, 0);
    assert.equal(builds, 3);
    assert.deepEqual(phases, { inputs: 400, slot: 150, fetching: 40, building: 410 });
    assert.deepEqual(advice, [
      { kind: 'building', ms: 320, builds: 2 },
      { kind: 'slot', system: 'x86_64-linux', ms: 150, builds: 2 },
      { kind: 'fetching', ms: 30, builds: 2 },
    ]);
  });

  it('tells what attempts for nothing cost, and agents that were not there', () => {
    const farm = diamond();
    farm.at(1000).build('s-1', { type: 'BuildAllocated', data: { attempt: 1, agent: 'a' } });
    farm.at(1010).build('s-1', { type: 'BuildStarted', data: { attempt: 1 } });
    farm.at(1200).agent('a', 'AgentDisconnected', { leaseUntil: 1300, reason: 'gone' });
    farm.at(1300).agent('a', 'AgentLost', {});
    farm.build('s-1', { type: 'BuildReleased', data: { attempt: 1, agent: 'a', reason: 'agent-lost' } });
    farm.at(1350).connect('a');
    run(farm, 1, [1350, 1350, 1360]);
    run(farm, 0, [1360, 1370, 1400], 2);
    run(farm, 2, [1400, 1400, 1410]);
    const { criticalPath, advice } = timesOf(farm, 9999);
    assert.deepEqual(
      criticalPath.steps.map(({ build }) => build),
      ['s-1', 's-3'],
    );
    assert.deepEqual(advice, [
      { kind: 'lost', ms: 300, builds: 1 },
      { kind: 'no-agent', system: 'x86_64-linux', cause: 'a was not connected (gone)', ms: 50, builds: 1 },
      { kind: 'building', ms: 40, builds: 2 },
      { kind: 'slot', system: 'x86_64-linux', ms: 10, builds: 1 },
      { kind: 'fetching', ms: 10, builds: 1 },
    ]);
  });

  it('has the path so far of one that is under way', () => {
    const farm = diamond();
    run(farm, 0, [1000, 1000, 1100]);
    farm.at(1150).build('s-2', { type: 'BuildAllocated', data: { attempt: 1, agent: 'a' } });
    const { criticalPath } = timesOf(farm, 1170);
    assert.equal(criticalPath.ended, false);
    assert.deepEqual(criticalPath.steps, [
      {
        build: 's-2',
        derivation: farm.farm.graph.drvPath(1),
        from: 1000,
        to: 1170,
        phases: { slot: 150, allocated: 20 },
      },
    ]);
  });

  it('adds up to the time from its first build to its last, in any graph', () => {
    const graphs = fc.array(
      fc.tuple(fc.uniqueArray(fc.nat(20), { maxLength: 3 }), fc.nat(50), fc.nat(50), fc.nat(50)),
      {
        minLength: 1,
        maxLength: 20,
      },
    );
    fc.assert(
      fc.property(graphs, (nodes) => {
        const farm = createTimedFarm();
        farm.at(900).agent('a', 'AgentRegistered', { name: 'a' });
        farm.connect('a');
        for (const [n, [inputs]] of nodes.entries())
          farm.derivation(
            n,
            inputs.filter((input) => input < n),
          );
        for (const n of nodes.keys())
          farm.at(1000).build(`s-${n + 1}`, { type: 'BuildSubmitted', data: farm.submitted(n) });
        let clock = 1000;
        for (const [n, [, wait, fetch, build]] of nodes.entries()) {
          const allocated = clock + wait;
          clock = allocated + fetch + build;
          run(farm, n, [allocated, allocated + fetch, clock]);
        }
        const { criticalPath: path, phases } = timesOf(farm, clock + 99);
        let at = path.from;
        for (const { from, to } of path.steps) {
          assert.equal(from, at);
          at = to;
        }
        assert.equal(path.to, at);
        const sum = (of: Readonly<Record<string, number>>) => Object.values(of).reduce((a, b) => a + b, 0);
        assert.equal(sum(path.phases), path.to - path.from, 'every millisecond of the path has a phase');
        assert.equal(path.to, clock);
        assert.equal(path.from, 1000);
        const all = farm.farm.queue.buildsOf('s').reduce((ms, build: BuildRecord) => {
          return ms + (farm.farm.timeline.endedAt(build) as number) - 1000;
        }, 0);
        assert.equal(sum(phases), all);
      }),
      { numRuns: 100 },
    );
  });

  it('names the last builds of a long path, and counts them all', () => {
    const farm = createTimedFarm();
    const size = mostSteps + 20;
    farm.at(900).agent('a', 'AgentRegistered', { name: 'a' });
    farm.connect('a');
    for (let n = 0; n < size; n++) farm.derivation(n, n === 0 ? [] : [n - 1]);
    for (let n = 0; n < size; n++)
      farm.at(1000).build(`s-${n + 1}`, { type: 'BuildSubmitted', data: farm.submitted(n) });
    for (let n = 0; n < size; n++) run(farm, n, [1000 + n * 10, 1003 + n * 10, 1010 + n * 10]);
    const { criticalPath } = timesOf(farm, 9999);
    assert.equal(criticalPath.builds, size);
    assert.equal(criticalPath.steps.length, mostSteps);
    assert.equal(criticalPath.steps.at(-1)?.build, `s-${size}`);
  });
});
