import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { watchForRoom } from '../../../cli/submit/room-watch.ts';
import { watchForStillness } from '../../../cli/submit/stillness.ts';
import type { Why } from '../../../coordinator/application.ts';

const why = (reason: string, summary: string) => ({ build: 'b', state: 'queued', reason, summary }) as Why;

/** `round` lets the pause pass and gives one answer for each build that waits; an error is "not known". */
function watched(t: TestContext, queued: readonly string[]) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const said: string[] = [];
  let answers: (Why | undefined)[] = [];
  const still = watchForStillness({
    queued: () => queued,
    async ask() {
      const answer = answers.shift();
      if (answer === undefined) throw new Error('the coordinator is away');
      return answer;
    },
    found: (build, summary) => said.push(`${build}: ${summary}`),
    gaveUp: () => said.push('gave up'),
    patienceMs: 3000,
    pauseMs: 1000,
  });
  t.after(() => still[Symbol.dispose]());
  async function round(...given: (Why | undefined)[]): Promise<string[]> {
    answers = given;
    t.mock.timers.tick(1000);
    // All that the answers set going is in microtasks.
    await new Promise(setImmediate);
    return said.splice(0);
  }
  return { still, round };
}

describe('a wait in which nothing runs', () => {
  it('says why, by a build that waits for an agent; the same once, and again after something has run', async (t) => {
    const { still, round } = watched(t, ['root', 'leaf']);
    const paused = why('no-agent', 'a is paused');
    still.seen(0);
    assert.deepEqual(await round(undefined, undefined), []);
    assert.deepEqual(await round(why('inputs', 'waits for leaf'), paused), ['leaf: a is paused']);
    assert.deepEqual(await round(paused), []);
    assert.deepEqual(await round(why('no-agent', 'a is draining')), ['root: a is draining']);
    still.seen(1);
    assert.deepEqual(await round(paused), [], 'something runs');
    still.seen(0);
    assert.deepEqual(await round(why('no-agent', 'a is draining')), ['root: a is draining']);
  });

  it('is given up where nothing but agents that do not come is waited for, for long enough', async (t) => {
    const { still, round } = watched(t, ['root', 'leaf']);
    const [inputs, none] = [why('inputs', 'waits for leaf'), why('no-agent', 'no agent was ever added')];
    still.seen(0);
    assert.deepEqual(await round(inputs, none), ['leaf: no agent was ever added']);
    assert.deepEqual(await round(inputs, none), []);
    // A back-off ends by itself.
    assert.deepEqual(await round(why('back-off', 'may start again soon'), none), []);
    assert.deepEqual(await round(inputs, none), []);
    assert.deepEqual(await round(inputs, none), []);
    assert.deepEqual(await round(inputs, none), ['gave up']);
    assert.deepEqual(await round(inputs, none), []);
  });

  it('says nothing where the agents are busy with other builds', async (t) => {
    const { still, round } = watched(t, ['root']);
    still.seen(0);
    assert.deepEqual(await round(why('no-slot', 'all are busy')), []);
  });
});

it('is told of what was built and waits for room in the pool: once, until none waits', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const said: string[] = [];
  const asked: string[] = [];
  let waiting = 0;
  let live = ['a', 'b'];
  using _ = watchForRoom({
    live: () => live,
    async status() {
      if (waiting < 0) throw new Error('the coordinator is away');
      return { uploads: { waiting, refused: waiting } };
    },
    async ask(build) {
      asked.push(build);
      const wait = build === 'b' ? { wait: { for: 'upload', reason: 'no room' } } : {};
      return { ...why('running', 'the upload waits: no room'), build, ...wait } as Why;
    },
    found: (build, summary) => said.push(`${build}: ${summary}`),
    pauseMs: 1000,
  });
  async function round(uploads: number): Promise<string[]> {
    waiting = uploads;
    t.mock.timers.tick(1000);
    await new Promise(setImmediate);
    return said.splice(0);
  }
  const line = ['b: the upload waits: no room'];
  assert.deepEqual(await round(0), []);
  assert.deepEqual(asked, [], 'one question is enough where nothing waits');
  assert.deepEqual(await round(1), line);
  assert.deepEqual(await round(1), []);
  assert.deepEqual(await round(-1), [], 'the coordinator is away');
  assert.deepEqual(await round(1), []);
  assert.deepEqual(await round(0), []);
  assert.deepEqual(await round(1), line);
  live = ['a'];
  assert.deepEqual(await round(1), [], 'it is another submission that waits');
});
