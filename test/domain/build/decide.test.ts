import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { backOffMs } from '../../../domain/build/back-off.ts';
import { type BuildCommand, decideBuild, type RetryPolicy } from '../../../domain/build/decide.ts';
import type { BuildEvent } from '../../../domain/build/events.ts';
import {
  builderFailures,
  type FailureClass,
  failureClasses,
  infrastructureFailures,
} from '../../../domain/build/failure-class.ts';
import { evolveBuild, initialBuild, isEnded, liveAgent } from '../../../domain/build/state.ts';
import { specification } from '../../support/decider.ts';

const policy: RetryPolicy = {
  maxAttempts: 3,
  builder: { baseSeconds: 10, maxSeconds: 100 },
  infrastructure: { baseSeconds: 1, maxSeconds: 8 },
};
const given = specification({
  initial: initialBuild,
  evolve: evolveBuild,
  decide: (state, command: BuildCommand) => decideBuild(state, command, policy),
});

const derivation = '0hm2f1psjpcwg8fijsmr4wwxrx59s092-bar.drv';
const submitted: BuildEvent = {
  type: 'BuildSubmitted',
  data: { derivation, submission: 's', reason: 'requested', options: { priority: 0 } },
};
const allocated = (attempt: number, agent: string): BuildEvent => ({
  type: 'BuildAllocated',
  data: { attempt, agent },
});
const started = (attempt: number): BuildEvent => ({ type: 'BuildStarted', data: { attempt } });
const released = (attempt: number, agent: string): BuildEvent => ({
  type: 'BuildReleased',
  data: { attempt, agent, reason: 'agent-lost' },
});
const succeeded: BuildEvent = { type: 'BuildSucceeded', data: { attempt: 1, agent: 'a', outputs: {}, durationMs: 1 } };
const attemptFailed = (attempt: number): BuildEvent => ({
  type: 'BuildAttemptFailed',
  data: { attempt, class: 'builder-failed', message: 'exit code 1' },
});
const setupFailed = (attempt: number, failure: FailureClass): BuildEvent => ({
  type: 'BuildSetupFailed',
  data: { attempt, class: failure, message: '' },
});
const fail = (
  attempt: number,
  agent: string,
  more: Partial<Extract<BuildCommand, { type: 'fail' }>> = {},
): BuildCommand => ({
  type: 'fail',
  attempt,
  agent,
  class: 'builder-failed',
  message: 'exit code 1',
  setup: false,
  missing: [],
  able: 2,
  now: 1000,
  fraction: 0,
  ...more,
});
const succeed = (attempt: number, agent: string): BuildCommand => ({
  type: 'succeed',
  attempt,
  agent,
  outputs: { out: derivation },
  durationMs: 5,
  logBytes: 7,
  diverged: [],
});

describe('allocation (I4)', () => {
  it('numbers attempts from 1', () => given(submitted).when({ type: 'allocate', agent: 'a' }).then(allocated(1, 'a')));
  it('gives a build that is taken to nobody else', () =>
    given(submitted, allocated(1, 'a')).when({ type: 'allocate', agent: 'b' }).refused('not-queued'));
  it('does not start what has ended', () =>
    given(submitted, allocated(1, 'a'), succeeded).when({ type: 'allocate', agent: 'b' }).refused('build-ended'));
  it('refuses a build that was never submitted', () =>
    given().when({ type: 'allocate', agent: 'a' }).refused('unknown-build'));
  it('gives the next number after a release', () =>
    given(submitted, allocated(1, 'a'), released(1, 'a'))
      .when({ type: 'allocate', agent: 'b' })
      .then(allocated(2, 'b')));
  it('lets an agent go on with what was taken back from it', () =>
    given(submitted, allocated(1, 'a'), released(1, 'a'))
      .when({ type: 'adopt', attempt: 1, agent: 'a' })
      .then(allocated(1, 'a')));
  it('does not let it go on with what has failed', () =>
    given(submitted, allocated(1, 'a'), attemptFailed(1))
      .when({ type: 'adopt', attempt: 1, agent: 'a' })
      .refused('stale-attempt'));
  it('takes the end that it came to while its agent was given up for lost', () =>
    given(submitted, allocated(1, 'a'), released(1, 'a'))
      .when({ type: 'adopt', attempt: 1, agent: 'a', ended: true })
      .then(allocated(1, 'a')));
  it('does not take an end again that its agent has told', () =>
    given(submitted, allocated(1, 'a'), {
      type: 'BuildReleased',
      data: { attempt: 1, agent: 'a', reason: 'handed-back' },
    })
      .when({ type: 'adopt', attempt: 1, agent: 'a', ended: true })
      .refused('stale-attempt'));
  it('does not give it back once another has it', () =>
    given(submitted, allocated(1, 'a'), released(1, 'a'), allocated(2, 'b'))
      .when({ type: 'adopt', attempt: 1, agent: 'a' })
      .refused('stale-attempt'));
});

describe('agents that are lost', () => {
  const lose = (attempt: number, agent: string): BuildCommand => ({
    type: 'release',
    attempt,
    agent,
    reason: 'agent-lost',
    now: 1_000_000,
    fraction: 0,
  });
  const loss = (attempt: number, agent: string): BuildEvent[] => [allocated(attempt, agent), released(attempt, agent)];
  const failed = (attempt: number, cause: 'several-agents' | 'one-agent', message: string): BuildEvent => ({
    type: 'BuildFailed',
    data: { attempt, class: 'agent-lost', message, cause },
  });

  it('fail the build that three of them had', () =>
    given(submitted, ...loss(1, 'a'), ...loss(2, 'b'), allocated(3, 'c'), started(3))
      .when(lose(3, 'c'))
      .then(
        released(3, 'c'),
        failed(
          3,
          'several-agents',
          'given up: 3 times the agent that had it was lost (a, b, c), and it may be the reason',
        ),
      ));
  it('fail the build that one of them had five times', () =>
    given(submitted, ...[1, 2, 3, 4].flatMap((attempt) => loss(attempt, 'a')), allocated(5, 'a'))
      .when(lose(5, 'a'))
      .then(
        released(5, 'a'),
        failed(5, 'one-agent', 'given up: 5 times the agent that had it was lost (a), and it may be the reason'),
      ));
  it('do not count where they come back with it, first or second', () => {
    const twice = [submitted, ...loss(1, 'a'), ...loss(2, 'b')];
    given(...twice, allocated(2, 'b'), released(2, 'b'), allocated(3, 'c'))
      .when({ type: 'keep', attempt: 2, agent: 'b' })
      .then({ type: 'BuildAttemptKept', data: { attempt: 2, agent: 'b' } });
    const kept: BuildEvent = { type: 'BuildAttemptKept', data: { attempt: 2, agent: 'b' } };
    given(...twice, allocated(3, 'c'), kept)
      .when(lose(3, 'c'))
      .then(released(3, 'c'));
    given(...twice, allocated(3, 'c'), kept)
      .when({ type: 'keep', attempt: 2, agent: 'b' })
      .then();
    given(...twice, allocated(2, 'b'), ...loss(2, 'b'))
      .when({ type: 'keep', attempt: 2, agent: 'a' })
      .refused('not-your-attempt');
  });
});

describe('what agents give back', () => {
  const returned = (attempt: number): BuildEvent => ({
    type: 'BuildReleased',
    data: { attempt, agent: 'a', reason: 'handed-back' },
  });
  const giveBack = (attempt: number, reason: 'handed-back' | 'agent-forgot' | 'agent-lost'): BuildCommand => ({
    type: 'release',
    attempt,
    agent: 'a',
    reason,
    now: 1_000_000,
    fraction: 0,
  });
  const back = (count: number): BuildEvent[] =>
    Array.from({ length: count }, (_, n) => [allocated(n + 1, 'a'), returned(n + 1)]).flat();

  it('goes to others at once', () =>
    given(submitted, ...back(2), allocated(3, 'a'))
      .when(giveBack(3, 'handed-back'))
      .then(returned(3)));
  it('waits longer each time when that goes on and on', () => {
    for (const [count, seconds] of [
      [3, policy.infrastructure.baseSeconds],
      [4, 2 * policy.infrastructure.baseSeconds],
      [8, policy.infrastructure.maxSeconds],
    ] as const)
      given(submitted, ...back(count), allocated(count + 1, 'a'))
        .when(giveBack(count + 1, 'handed-back'))
        .then(returned(count + 1), {
          type: 'BuildRetryScheduled',
          data: { attempt: count + 2, notBefore: 1_000_000 + seconds * 500 },
        });
    given(submitted, ...back(3), allocated(4, 'a'))
      .when(giveBack(4, 'agent-forgot'))
      .thenTypes('BuildReleased', 'BuildRetryScheduled');
  });
  it('fails the build at the tenth time', () =>
    given(submitted, ...back(9), allocated(10, 'a'))
      .when(giveBack(10, 'handed-back'))
      .then(returned(10), {
        type: 'BuildFailed',
        data: {
          attempt: 10,
          class: 'agent-error',
          message: 'given up: agents gave it back 10 times, a the last time; their logs say why',
          cause: 'one-agent',
        },
      }));
  it('does not wait for the agent to be lost', () =>
    given(submitted, ...back(9), allocated(10, 'a'))
      .when(giveBack(10, 'agent-lost'))
      .then(released(10, 'a')));
});

describe('reports of agents (I4)', () => {
  it('records a start once', () => {
    given(submitted, allocated(1, 'a')).when({ type: 'start', attempt: 1, agent: 'a' }).then(started(1));
    given(submitted, allocated(1, 'a'), started(1)).when({ type: 'start', attempt: 1, agent: 'a' }).then();
  });
  it('refuses what is not the agent’s', () => {
    given(submitted, allocated(1, 'a')).when({ type: 'start', attempt: 1, agent: 'b' }).refused('not-your-attempt');
    given(submitted, allocated(1, 'a')).when(fail(1, 'b')).refused('not-your-attempt');
    given(submitted, allocated(1, 'a')).when(succeed(1, 'b')).refused('not-your-attempt');
    given(submitted, allocated(1, 'a')).when(succeed(2, 'a')).refused('not-your-attempt');
  });
  it('refuses a failure of an attempt that is over', () =>
    given(submitted, allocated(1, 'a'), released(1, 'a'), allocated(2, 'b'))
      .when(fail(1, 'a'))
      .refused('stale-attempt'));
  it('counts a late success of an agent given up for lost', () =>
    given(submitted, allocated(1, 'a'), started(1), released(1, 'a'), allocated(2, 'b'))
      .when(succeed(1, 'a'))
      .thenTypes('BuildSucceeded'));
  it('writes down what the agent says of its phases', () => {
    const phases = { fetchingMs: 3, buildingMs: 10 };
    given(submitted, allocated(1, 'a'))
      .when({ ...succeed(1, 'a'), phases } as BuildCommand)
      .then({
        type: 'BuildSucceeded',
        data: { attempt: 1, agent: 'a', outputs: { out: derivation }, durationMs: 5, logBytes: 7, phases },
      });
  });
  it('counts a success once', () => given(submitted, allocated(1, 'a'), succeeded).when(succeed(1, 'a')).then());
  it('does not revive what was cancelled', () =>
    given(submitted, allocated(1, 'a'), { type: 'BuildCanceled', data: {} })
      .when(succeed(1, 'a'))
      .refused('build-ended'));
});

describe('failures', () => {
  it('waits before the next attempt', () =>
    given(submitted, allocated(1, 'a'))
      .when(fail(1, 'a'))
      .then(attemptFailed(1), { type: 'BuildRetryScheduled', data: { attempt: 2, notBefore: 1000 + 5000 } }));
  it('ends when the attempts are used up', () =>
    given(submitted, allocated(1, 'a'), attemptFailed(1), allocated(2, 'a'), attemptFailed(2), allocated(3, 'a'))
      .when(fail(3, 'a'))
      .thenTypes('BuildAttemptFailed', 'BuildFailed'));
  it('does what the build says about attempts', () => {
    const once: BuildEvent = {
      type: 'BuildSubmitted',
      data: { ...submitted.data, options: { priority: 0, maxAttempts: 1 } } as never,
    };
    given(once, allocated(1, 'a')).when(fail(1, 'a')).thenTypes('BuildAttemptFailed', 'BuildFailed');
  });
  it('ends at once where a retry changes nothing', () =>
    given(submitted, allocated(1, 'a'))
      .when(fail(1, 'a', { class: 'rejected' }))
      .thenTypes('BuildAttemptFailed', 'BuildFailed'));
  it('says why there is no further attempt', () => {
    const once: BuildEvent = {
      type: 'BuildSubmitted',
      data: { ...submitted.data, options: { priority: 0, maxAttempts: 1 } } as never,
    };
    given(once, allocated(1, 'a'))
      .when(fail(1, 'a'))
      .then(attemptFailed(1), {
        type: 'BuildFailed',
        data: { attempt: 1, class: 'builder-failed', message: 'exit code 1', cause: 'attempts-used-up' },
      });
  });
  it('uses up attempts for what nobody knows', () => {
    const mystery = { class: 'unknown', message: 'a daemon’s riddle' } as const;
    given(submitted, allocated(1, 'a'), attemptFailed(1), allocated(2, 'a'), attemptFailed(2), allocated(3, 'a'))
      .when(fail(3, 'a', mystery))
      .thenTypes('BuildAttemptFailed', 'BuildFailed');
  });
  it('goes by the class alone, not by whether the builder was started', () => {
    given(submitted, allocated(1, 'a'))
      .when(fail(1, 'a', { class: 'rejected', setup: true }))
      .thenTypes('BuildSetupFailed', 'BuildFailed');
    given(
      submitted,
      allocated(1, 'a'),
      setupFailed(1, 'unknown'),
      allocated(2, 'a'),
      setupFailed(2, 'unknown'),
      allocated(3, 'a'),
    )
      .when(fail(3, 'a', { class: 'unknown', setup: true }))
      .thenTypes('BuildSetupFailed', 'BuildFailed');
  });
  it('waits for missing inputs, not for a back-off', () =>
    given(submitted, allocated(1, 'a'))
      .when(fail(1, 'a', { class: 'inputs-missing', setup: true, missing: [derivation], message: 'gone' }))
      .then({
        type: 'BuildSetupFailed',
        data: { attempt: 1, class: 'inputs-missing', message: 'gone', missing: [derivation] },
      }));
  it('prefers other agents afterwards', () => {
    const state = [
      submitted,
      allocated(1, 'a'),
      { type: 'BuildAttemptFailed', data: { attempt: 1, class: 'disk-full', message: '' } } as BuildEvent,
    ].reduce(evolveBuild, initialBuild);
    assert.deepEqual(state.avoid, ['a']);
    assert.equal(state.failures, 0);
  });
});

describe('failures of the infrastructure', () => {
  const on = (agents: readonly string[], failure: FailureClass): BuildEvent[] =>
    agents.flatMap((agent, index) => [allocated(index + 1, agent), setupFailed(index + 1, failure)]);

  it('use up no attempts: another kind on another agent is no second one', () =>
    given(submitted, ...on(['a'], 'disk-full'), allocated(2, 'b'))
      .when(fail(2, 'b', { class: 'upload-failed' }))
      .thenTypes('BuildAttemptFailed', 'BuildRetryScheduled'));
  it('are the build’s own on a second agent', () =>
    given(submitted, ...on(['a'], 'disk-full'), allocated(2, 'b'))
      .when(fail(2, 'b', { class: 'disk-full', message: 'full' }))
      .then(
        { type: 'BuildAttemptFailed', data: { attempt: 2, class: 'disk-full', message: 'full' } },
        {
          type: 'BuildFailed',
          data: {
            attempt: 2,
            class: 'disk-full',
            message: 'given up: disk-full on the agents a and b: full',
            cause: 'several-agents',
          },
        },
      ));
  it('are the build’s own the third time on the only agent that could build it', () => {
    given(submitted, ...on(['a'], 'agent-error'), allocated(2, 'a'))
      .when(fail(2, 'a', { class: 'agent-error', able: 1 }))
      .thenTypes('BuildAttemptFailed', 'BuildRetryScheduled');
    const third = decideBuild(
      [submitted, ...on(['a', 'a'], 'agent-error'), allocated(3, 'a')].reduce(evolveBuild, initialBuild),
      fail(3, 'a', { class: 'agent-error', able: 1, message: 'no' }),
      policy,
    ).events?.at(-1);
    assert.deepEqual(third?.data, {
      attempt: 3,
      class: 'agent-error',
      message: 'given up: agent-error 3 times on the agent a: no',
      cause: 'one-agent',
    });
  });
  it('are waited out for longer where another agent could build it, and not for ever', () => {
    const times = (count: number) => on(Array(count).fill('a'), 'agent-error');
    given(submitted, ...times(8), allocated(9, 'a'))
      .when(fail(9, 'a', { class: 'agent-error', able: 2 }))
      .thenTypes('BuildAttemptFailed', 'BuildRetryScheduled');
    given(submitted, ...times(9), allocated(10, 'a'))
      .when(fail(10, 'a', { class: 'agent-error', able: 2 }))
      .thenTypes('BuildAttemptFailed', 'BuildFailed');
  });
  it('come to an end whatever the classes and agents are', () => {
    const step = fc.record({ agent: fc.constantFrom('a', 'b', 'c'), failure: fc.constantFrom(...failureClasses) });
    fc.assert(
      fc.property(fc.infiniteStream(step), fc.integer({ min: 1, max: 3 }), (steps, able) => {
        let state = evolveBuild(initialBuild, submitted);
        let attempt = 0;
        for (const { agent, failure } of steps) {
          const who = able === 1 ? 'a' : agent;
          state = evolveBuild(state, allocated(++attempt, who));
          const { events = [] } = decideBuild(state, fail(attempt, who, { class: failure, able }), policy);
          state = events.reduce(evolveBuild, state);
          if (isEnded(state.status)) break;
          assert.ok(attempt < infrastructureFailures.length * 10 + 3);
        }
        assert.equal(state.status, 'failed');
        assert.equal(state.lastFailure?.attempt, attempt);
        assert.notEqual(state.lastFailure?.cause, undefined);
      }),
    );
  });
  it('do not begin the back-off anew when kinds alternate', () => {
    const waits: number[] = [];
    let state = evolveBuild(initialBuild, submitted);
    const patient: RetryPolicy = { ...policy, maxAttempts: 9, infrastructure: { baseSeconds: 1, maxSeconds: 1000 } };
    for (const [index, failure] of (
      ['agent-error', 'builder-failed', 'fetch-failed', 'unknown', 'disk-full'] as const
    ).entries()) {
      state = evolveBuild(state, allocated(index + 1, 'a'));
      const { events = [] } = decideBuild(state, fail(index + 1, 'a', { class: failure }), patient);
      state = events.reduce(evolveBuild, state);
      const last = events.at(-1);
      if (last?.type === 'BuildRetryScheduled' && index > 0) waits.push(last.data.notBefore - 1000);
    }
    // 10 s and 1 s doubled by the failures before, of whatever kind; half of it without jitter, at most 100 s for the first.
    assert.deepEqual(waits, [10_000, 2_000, 40_000, 8_000]);
  });
  it('are remembered, shortened', () => {
    const state = [
      submitted,
      allocated(1, 'a'),
      { type: 'BuildAttemptFailed', data: { attempt: 1, class: 'unknown', message: 'x'.repeat(4000) } } as BuildEvent,
    ].reduce(evolveBuild, initialBuild);
    assert.deepEqual(state.lastFailure, { attempt: 1, class: 'unknown', message: `${'x'.repeat(400)}…`, agent: 'a' });
  });
});

describe('clients', () => {
  it('cancel what has not ended', () => {
    given(submitted, allocated(1, 'a'))
      .when({ type: 'cancel', reason: 'no need' })
      .then({ type: 'BuildCanceled', data: { reason: 'no need' } });
    given(submitted, { type: 'BuildCanceled', data: {} }).when({ type: 'cancel', reason: undefined }).then();
    given(submitted, allocated(1, 'a'), succeeded).when({ type: 'cancel', reason: undefined }).refused('build-ended');
  });
  it('change a priority once', () => {
    given(submitted)
      .when({ type: 'prioritize', priority: 5 })
      .then({ type: 'BuildPrioritized', data: { priority: 5 } });
    given(submitted).when({ type: 'prioritize', priority: 0 }).then();
  });
  it('defer what no agent has, and take that back', () => {
    const deferred = (until?: number): BuildEvent => ({
      type: 'BuildDeferred',
      data: { ...(until !== undefined && { until }) },
    });
    given(submitted).when({ type: 'defer', until: 5 }).then(deferred(5));
    given(submitted, deferred(5)).when({ type: 'defer', until: 5 }).then();
    given(submitted, deferred(5)).when({ type: 'defer', until: undefined }).then(deferred());
    given(submitted, deferred(5), deferred()).when({ type: 'defer', until: undefined }).then();
    given(submitted)
      .when({ type: 'defer', until: 5, reason: 'busy', submission: 's' })
      .then({ type: 'BuildDeferred', data: { until: 5, reason: 'busy', submission: 's' } });
    given(submitted, allocated(1, 'a')).when({ type: 'defer', until: 5 }).refused('not-queued');
    given(submitted, { type: 'BuildCanceled', data: {} }).when({ type: 'defer', until: 5 }).refused('build-ended');
  });
});

describe('a build whose outputs something else made', () => {
  it('ends as a success while it is queued, and only then', () => {
    const satisfied: BuildEvent = { type: 'BuildSatisfied', data: {} };
    given(submitted).when({ type: 'satisfy' }).then(satisfied);
    given(submitted, allocated(1, 'a'), released(1, 'a')).when({ type: 'satisfy' }).then(satisfied);
    given(submitted, allocated(1, 'a')).when({ type: 'satisfy' }).refused('not-queued');
    given(submitted, satisfied).when({ type: 'satisfy' }).refused('build-ended');
    given(submitted, satisfied).when({ type: 'allocate', agent: 'a' }).refused('build-ended');
  });
  it('takes a success that comes after it for a repeat', () =>
    given(submitted, allocated(1, 'a'), released(1, 'a'), { type: 'BuildSatisfied', data: {} })
      .when(succeed(1, 'a'))
      .then());
});

describe('any sequence of commands', () => {
  const agent = fc.constantFrom('a', 'b', 'c');
  const attempt = fc.integer({ min: 1, max: 4 });
  const failureClass = fc.constantFrom(...builderFailures, ...infrastructureFailures);
  const command: fc.Arbitrary<BuildCommand> = fc.oneof(
    fc.record({ type: fc.constant('allocate' as const), agent }),
    fc.record({ type: fc.constant('adopt' as const), agent, attempt, ended: fc.boolean() }),
    fc.record({ type: fc.constant('start' as const), agent, attempt }),
    fc
      .tuple(attempt, agent, failureClass, fc.boolean())
      .map(([n, who, failure, setup]) => fail(n, who, { class: failure, setup })),
    fc.tuple(attempt, agent).map(([n, who]) => succeed(n, who)),
    fc.record({
      type: fc.constant('release' as const),
      agent,
      attempt,
      reason: fc.constantFrom('agent-lost' as const, 'handed-back' as const),
      now: fc.constant(0),
      fraction: fc.constant(0),
    }),
    fc.record({ type: fc.constant('satisfy' as const) }),
    fc.record({ type: fc.constant('cancel' as const), reason: fc.constant(undefined) }),
  );
  it('keeps one live allocation at most, ends once, and stays ended', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 40 }), (commands) => {
        let state = evolveBuild(initialBuild, submitted);
        let ends = 0;
        for (const next of commands) {
          const wasEnded = isEnded(state.status);
          const live = liveAgent(state);
          const { events = [] } = decideBuild(state, next, policy);
          for (const event of events) {
            // Nothing is allocated while an attempt is live.
            if (event.type === 'BuildAllocated') assert.equal(live, undefined);
            state = evolveBuild(state, event);
            if (['BuildSucceeded', 'BuildSatisfied', 'BuildFailed', 'BuildCanceled'].includes(event.type)) ends++;
          }
          if (wasEnded) assert.deepEqual(events, []);
        }
        assert.ok(ends <= 1);
        assert.equal(isEnded(state.status), ends === 1);
      }),
    );
  });
});

describe('back-off', () => {
  it('doubles up to its limit and spreads over the upper half', () => {
    const limits = { baseSeconds: 1, maxSeconds: 8 };
    assert.deepEqual(
      [1, 2, 3, 4, 5].map((n) => backOffMs(limits, n, 0)),
      [500, 1000, 2000, 4000, 4000],
    );
    assert.equal(backOffMs(limits, 1, 0.5), 750);
    assert.equal(backOffMs(limits, 2000, 0.999), 7996);
  });
});
