import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { BuildEvent } from '../../domain/build/events.ts';
import { isEnded } from '../../domain/build/state.ts';
import type { BuildRecord } from '../../projections/builds.ts';
import { createEnded } from '../../projections/ended.ts';
import { createFarm } from '../../projections/farm.ts';
import { sumPhases } from '../../projections/submission-times.ts';
import { createTally, phases, type Span } from '../../projections/timeline.ts';
import { createTimedFarm, type TimedFarm } from '../support/timed-farm.ts';

/** `phase from-to`, with the attempt where there is one. */
function told(spans: readonly Span[]): string[] {
  return spans.map(
    ({ phase, from, to, attempt }) => `${phase} ${from}-${to}${attempt === undefined ? '' : ` #${attempt}`}`,
  );
}

describe('the timeline of a build', () => {
  it('names every wait, and splits attempts as their agents say', () => {
    const farm = createTimedFarm();
    farm.derivation(0);
    farm.derivation(1, [0]);
    farm.at(100).build('s-1', { type: 'BuildSubmitted', data: farm.submitted(1) });
    farm.at(200).add(0);
    farm.at(250).agent('a', 'AgentRegistered', { name: 'a' });
    farm.at(300).connect('a');
    farm.at(340).build('s-1', { type: 'BuildAllocated', data: { attempt: 1, agent: 'a' } });
    farm.at(400).build('s-1', { type: 'BuildStarted', data: { attempt: 1 } });
    const failure = { attempt: 1, class: 'builder-failed', message: 'no' } as const;
    farm.at(450).build('s-1', { type: 'BuildAttemptFailed', data: { ...failure, phases: { fetchingMs: 20 } } });
    farm.build('s-1', { type: 'BuildRetryScheduled', data: { attempt: 2, notBefore: 500 } });
    farm.at(600).agent('a', 'AgentPaused', { reason: 'new disk' });
    farm.at(650).agent('a', 'AgentResumed', {});
    farm.at(700).build('s-1', { type: 'BuildAllocated', data: { attempt: 2, agent: 'a' } });
    farm.at(710).build('s-1', { type: 'BuildStarted', data: { attempt: 2 } });
    const data = { attempt: 2, agent: 'a', outputs: {}, durationMs: 50, phases: { fetchingMs: 4, buildingMs: 50 } };
    farm.at(800).build('s-1', { type: 'BuildSucceeded', data });

    const spans = farm.spans('s-1', 9999);
    assert.deepEqual(told(spans), [
      'inputs 100-200',
      'no-agent 200-300',
      'slot 300-340',
      'allocated 340-380 #1',
      'fetching 380-400 #1',
      'building 400-450 #1',
      'back-off 450-500',
      'slot 500-600',
      'no-agent 600-650',
      'slot 650-700',
      'allocated 700-706 #2',
      'fetching 706-710 #2',
      'building 710-760 #2',
      'uploading 760-800 #2',
    ]);
    assert.equal(spans[0]?.item, farm.item(0));
    assert.deepEqual(
      spans.flatMap(({ cause }) => cause ?? []),
      ['no agent for it was there', 'a was paused (new disk)'],
    );
  });

  it('counts an attempt as it can where the agent does not say', () => {
    const farm = createTimedFarm();
    farm.derivation(0);
    farm.agent('a', 'AgentRegistered', { name: 'a' });
    farm.connect('a');
    farm.at(10).build('s-1', { type: 'BuildSubmitted', data: farm.submitted(0) });
    farm.build('s-1', { type: 'BuildAllocated', data: { attempt: 1, agent: 'a' } });
    farm.at(20).build('s-1', { type: 'BuildStarted', data: { attempt: 1 } });
    const data = { attempt: 1, agent: 'a', outputs: {}, durationMs: 30 };
    farm.at(60).build('s-1', { type: 'BuildSucceeded', data });
    assert.deepEqual(told(farm.spans('s-1', 70)), ['allocated 10-20 #1', 'building 20-50 #1', 'uploading 50-60 #1']);
  });

  it('takes what an agent says no further than the log goes', () => {
    const farm = createTimedFarm();
    farm.derivation(0);
    farm.agent('a', 'AgentRegistered', { name: 'a' });
    farm.connect('a');
    farm.at(10).build('s-1', { type: 'BuildSubmitted', data: farm.submitted(0) });
    farm.build('s-1', { type: 'BuildAllocated', data: { attempt: 1, agent: 'a' } });
    farm.at(20).build('s-1', { type: 'BuildStarted', data: { attempt: 1 } });
    const phases = { fetchingMs: 10 ** 12, buildingMs: 10 ** 12, uploadingMs: 10 ** 12 };
    const failure = { attempt: 1, class: 'upload-failed', message: 'no', phases } as const;
    farm.at(60).build('s-1', { type: 'BuildAttemptFailed', data: failure });
    assert.deepEqual(told(farm.spans('s-1', 70)), [
      'allocated 10-10 #1',
      'fetching 10-20 #1',
      'building 20-60 #1',
      'uploading 60-60 #1',
      'slot 60-70',
    ]);
  });

  it('is without gaps and adds up to the whole, whatever happens and however the clock goes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(11), fc.integer({ min: -30, max: 100 }), fc.nat(90)), { maxLength: 40 }),
        (steps) => {
          const farm = createTimedFarm();
          farm.derivation(0);
          farm.derivation(1, [0]);
          farm.agent('a', 'AgentRegistered', { name: 'a' });
          let clock = 1000;
          farm.at(clock).build('s-1', { type: 'BuildSubmitted', data: farm.submitted(1) });
          const build = farm.farm.queue.build('s-1') as BuildRecord;
          for (const [does, later, ms] of steps) {
            clock += later;
            farm.at(clock);
            if (!isEnded(build.state.status)) step(farm, build, does, ms);
          }
          const until = farm.farm.timeline.endedAt(build) ?? clock + 5;
          const spans = farm.spans('s-1', clock + 5);
          let at = 1000;
          for (const { from, to } of spans) {
            assert.equal(from, at);
            assert.ok(to >= from);
            at = to;
          }
          assert.equal(at, Math.max(until, at), 'they go on to its end');
          assert.equal(
            spans.reduce((sum, { from, to }) => sum + to - from, 0),
            at - 1000,
          );
          const tally = createTally();
          const { graph, timeline } = farm.farm;
          timeline.tally(build, graph.jobClass(build.drv), clock + 5, tally);
          const sums = sumPhases(spans);
          assert.deepEqual(
            [...tally.ms],
            phases.map((phase) => sums[phase] ?? 0),
            'a tally counts the same',
          );
          assert.equal(tally.begin, 1000);
          assert.equal(isEnded(build.state.status), farm.farm.timeline.endedAt(build) !== undefined);
          // The same from the log (I3), also where it is folded in one go.
          const again = createFarm();
          for (const event of farm.history) again.apply(...event);
          assert.deepEqual([...again.describe()], [...farm.farm.describe()]);
        },
      ),
      { numRuns: 200 },
    );
  });
});

/** Something that can happen now; nothing where it cannot. */
function step(farm: TimedFarm, build: BuildRecord, does: number, ms: number): void {
  const { status, attempt } = build.state;
  const live = status === 'allocated' || status === 'running';
  const said =
    ms % 3 === 0 ? {} : { phases: { fetchingMs: ms, ...(ms % 2 === 0 && { buildingMs: ms, uploadingMs: 3 }) } };
  const events: Record<number, BuildEvent | false> = {
    0: status === 'queued' && { type: 'BuildAllocated', data: { attempt: attempt + 1, agent: 'a' } },
    1: status === 'allocated' && { type: 'BuildStarted', data: { attempt } },
    2: live && {
      type: 'BuildAttemptFailed',
      data: { attempt, class: 'unknown', message: '', durationMs: ms, ...said },
    },
    3: status === 'allocated' && {
      type: 'BuildSetupFailed',
      data: { attempt, class: 'fetch-failed', message: '', ...said },
    },
    4: live && { type: 'BuildReleased', data: { attempt, agent: 'a', reason: 'agent-lost' } },
    5: status === 'queued' && {
      type: 'BuildRetryScheduled',
      data: { attempt: attempt + 1, notBefore: 1000 + ms * 10 },
    },
    6: attempt > 0 && {
      type: 'BuildSucceeded',
      data: { attempt: 1, agent: 'a', outputs: {}, durationMs: ms, ...said },
    },
    7: ms > 80 && { type: 'BuildCanceled', data: {} },
  };
  const event = events[does];
  if (event) return farm.build('s-1', event);
  if (does === 8) return farm.isThere(0) ? farm.remove(0) : farm.add(0);
  if (does === 9) return farm.connect('a');
  if (does === 10) return farm.agent('a', 'AgentDisconnected', { leaseUntil: 1, reason: 'gone' });
  if (does === 11) return farm.agent('a', ms % 2 === 0 ? 'AgentPaused' : 'AgentResumed', {});
}

it('what ended is counted by the minute, for three hours', () => {
  const farm = createFarm();
  const [succeeded, failed] = ['BuildSucceeded', 'BuildFailed'].map((type) => ({ type, data: {} }) as BuildEvent);
  const ended = createEnded();
  const minute = 60_000;
  for (const [event, at] of [
    [succeeded, 5 * minute + 3],
    [failed, 5 * minute + 9],
    [{ type: 'BuildSatisfied', data: {} }, 4 * minute],
    [{ type: 'BuildCanceled', data: {} }, 4 * minute],
  ] as [BuildEvent, number][])
    ended.apply(event, at);
  assert.deepEqual(ended.before(6 * minute), [
    { at: 4 * minute, succeeded: 1, failed: 0 },
    { at: 5 * minute, succeeded: 1, failed: 1 },
  ]);
  ended.apply(succeeded as BuildEvent, 185 * minute);
  assert.deepEqual(ended.before(185 * minute), [{ at: 185 * minute, succeeded: 1, failed: 0 }]);
  assert.deepEqual(farm.ended.before(0), []);
});
