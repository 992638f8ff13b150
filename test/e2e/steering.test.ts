import assert from 'node:assert/strict';
import { e2e } from '../support/e2e/e2e-test.ts';
import { expectOneAttempt, isAgent, isBuild } from '../support/e2e/events-of.ts';
import type { Agent, Farm } from '../support/e2e/farm.ts';

/** One farm for all, as most of the time of a test is the start of its processes. */
e2e(
  'builds are cancelled, put first and waited for, and agents drained and stopped, and nothing else ends',
  {},
  async (farm) => {
    const a = await farm.agent('a', { slots: 2, onShutdown: 'finish' });
    await aDrainedAgent(farm, a);
    // It has one slot from now on.
    await aHigherPriority(farm);
    await aBuildIsCanceled(farm);
    await aWaitEnds(farm);
    await stoppedToFinish(farm, a);
    // Which leaves an agent b with two slots.
    await stoppedToHandBack(farm);
    await aSubmissionIsCanceled(farm);
  },
);

/** It ends what it has and waits, over a restart, until it is resumed. */
async function aDrainedAgent(farm: Farm, a: Agent): Promise<void> {
  await farm.submit(['slow', 'one']);
  await farm.gate('slow').arrived();
  await farm.gate('one').arrived();
  await farm.submit(['two']);
  const drained = farm.drover(['agents', 'drain', 'a', '--wait', '--reason', 'a new kernel']);
  await farm.next('AgentDraining', isAgent('a'));
  farm.gate('slow').open();
  farm.gate('one').open();
  await expectOneAttempt(farm, 'slow');
  await expectOneAttempt(farm, 'one');
  const { code, stdout, said } = await drained;
  assert.match(said, /^waiting for [12] builds? on a$/m);
  assert.equal(code, 0, said);
  assert.match(stdout, /^operator: +drained .*: a new kernel$/m);

  // The machine is started again, as its service does it: what it says is that it waits, and it goes nowhere.
  a.process.kill('SIGTERM');
  assert.deepEqual(await a.process.exited, { code: 0, signal: null });
  await farm.next('AgentDisconnected', isAgent('a'));
  const gone = await farm.drover(['agents', 'list']);
  assert.match(gone.stdout, /^a +left +offline .*drained .*: a new kernel; left /m);
  const why = await farm.drover(['builds', 'why', await farm.buildOf('two')]);
  assert.match(
    why.stdout,
    /a was stopped .*, and is drained by admin \(a new kernel\): once it is back, 'drover agents resume a'/,
  );
  a.restart(['--slots', '1']);
  await farm.next('AgentConnected', isAgent('a'), 2);
  await a.process.says(/this agent is drained: .*until 'drover agents resume'/);
  const waits = await farm.drover(['agents', 'list']);
  assert.match(waits.stdout, /^a +connected +drained +0\/1 +0 of 2 /m);

  // Of a second process with its token it is told where the first is.
  const second = a.another();
  await second.says(/agent-in-use: this agent runs already on \S+ \(process \d+, from 127\.0\.0\.1\), since 20/);
  assert.ok(second.running, 'it waits until the first is gone');
  const shown = await farm.drover(['agents', 'show', 'a']);
  assert.match(shown.stdout, /^refused: +\S+ \(process \d+, from 127\.0\.0\.1\), .*this agent runs already on/m);
  await second.killGroup();

  await farm.drover(['agents', 'resume', 'a']);
  await farm.gate('two').arrived();
  farm.gate('two').open();
  await expectOneAttempt(farm, 'two');
}

/** It goes first. */
async function aHigherPriority(farm: Farm): Promise<void> {
  await farm.submit(['six']);
  await farm.gate('six').arrived();
  await farm.submit(['small', 'wanted', 'fixed']);
  const { code, said } = await farm.drover(['builds', 'prioritize', await farm.buildOf('fixed'), '10']);
  assert.equal(code, 0, said);
  await farm.drover(['builds', 'prioritize', await farm.buildOf('wanted'), '5']);
  farm.gate('six').open();
  for (const name of ['small', 'wanted', 'fixed']) await expectOneAttempt(farm, name);
  const names = new Map<string, string>();
  for (const name of ['small', 'wanted', 'fixed', 'six']) names.set(`build-${await farm.buildOf(name)}`, name);
  const order = farm.feed.events
    .filter(({ type }) => type === 'BuildAllocated')
    .map(({ stream }) => names.get(stream))
    .filter((name) => name !== undefined);
  assert.deepEqual(order, ['six', 'fixed', 'wanted', 'small']);
}

/** Its builder ends, and what needed it waits with a reason. */
async function aBuildIsCanceled(farm: Farm): Promise<void> {
  await farm.submit(['afterFour']);
  const { gone } = await farm.gate('four').arrived();
  const [slow, after] = [await farm.buildOf('four'), await farm.buildOf('after-four')];
  const { code, said } = await farm.drover(['builds', 'cancel', slow]);
  assert.equal(code, 0, said);
  await farm.next('BuildCanceled', isBuild(slow));
  await gone;
  const { body: why } = await farm.request('GET', `/v1/builds/${after}/why`);
  assert.deepEqual([why.reason, why.inputs[0].state, why.inputs[0].build], ['inputs', 'canceled', slow]);

  // The slot is free again, and a retry sets it going.
  await farm.drover(['builds', 'retry', slow]);
  await farm.gate('four').arrived();
  farm.gate('four').open();
  await farm.next('BuildSucceeded', isBuild(after));
}

/** Where nothing that is left can run, and it says what would set it going. */
async function aWaitEnds(farm: Farm): Promise<void> {
  const [top = ''] = await farm.instantiate('topOfFailing');
  const flags = ['--store-root', farm.evaluated, '--max-attempts', '1', '--wait'];
  const { code, stdout, said } = await farm.drover(['submit', ...flags, top]);
  assert.equal(code, 1, said);
  assert.equal(stdout, '');
  const failing = await farm.buildOf('failing');
  assert.match(said, /2 builds ended, 1 succeeded, 1 did not/);
  assert.match(said, /2 builds are blocked/);
  assert.match(
    said,
    new RegExp(`failing {2}its build failed \\(builder-failed on .*, 2 wait for it {2}drover builds retry ${failing}`),
  );
  const why = await farm.drover(['builds', 'why', await farm.buildOf('top-of-failing')]);
  assert.match(why.stdout, /^Blocked\. .*BLOCKED BY.*failing/s);
}

/** SIGTERM: what runs ends first. */
async function stoppedToFinish(farm: Farm, a: Agent): Promise<void> {
  await farm.submit(['three']);
  await farm.gate('three').arrived();
  a.process.kill('SIGTERM');
  await a.process.says(/leaving: finish/);
  farm.gate('three').open();
  await expectOneAttempt(farm, 'three');
  assert.deepEqual(await a.process.exited, { code: 0, signal: null });
}

/** SIGTERM hands a build back, and another agent builds it at once. */
async function stoppedToHandBack(farm: Farm): Promise<void> {
  const h = await farm.agent('h', { onShutdown: 'hand-back' });
  await farm.submit(['seven']);
  const { gone } = await farm.gate('seven').arrived();
  await farm.agent('b', { slots: 2 });
  const id = await farm.buildOf('seven');
  h.process.kill('SIGTERM');
  const released = await farm.next('BuildReleased', isBuild(id));
  assert.deepEqual(released.data, { attempt: 1, agent: 'h', reason: 'handed-back' });
  await gone;
  assert.deepEqual(await h.process.exited, { code: 0, signal: null });
  await farm.gate('seven').arrived();
  farm.gate('seven').open();
  const success = await farm.next('BuildSucceeded', isBuild(id));
  assert.deepEqual([success.data.attempt, success.data.agent], [2, 'b']);
}

/** It ends for whoever waits for it, and what another waits for goes on, also over a kill. */
async function aSubmissionIsCanceled(farm: Farm): Promise<void> {
  const roots = await farm.instantiate('afterFive', 'eight');
  const waiting = farm.drover(['submit', '--store-root', farm.evaluated, '--wait', ...roots]);
  const { gone } = await farm.gate('eight').arrived();
  await farm.gate('five').arrived();
  const [slow, after] = [await farm.buildOf('five'), await farm.buildOf('after-five')];
  const submission = slow.slice(0, slow.lastIndexOf('-'));
  const other = await farm.submit(['five']);
  const filter = ['builds', 'cancel', '--submission', submission];
  const refused = await farm.drover(filter);
  assert.equal(refused.code, 1);
  assert.match(refused.said, /would cancel 2 builds:.*1 build would go on.*hint: add --yes to say so/s);
  const { code, stdout } = await farm.drover(['submissions', 'cancel', submission, '--reason', 'wrong branch']);
  assert.equal(code, 0);
  assert.match(stdout, new RegExp(`cancelled 2 builds:.*five .running, wanted by ${other.submission}`, 's'));
  await gone;
  const ended = await waiting;
  assert.equal(ended.code, 1);
  assert.match(ended.said, /was cancelled by admin: wrong branch\n/);

  await farm.kill9();
  await farm.start();
  farm.gate('five').open();
  await farm.next('BuildSucceeded', isBuild(slow));
  assert.equal((await farm.request('GET', `/v1/builds/${after}`)).body.state, 'canceled');
  // Had again, it is built: what was kept is there already.
  const again = await farm.request('POST', `/v1/submissions/${submission}/retry`, { body: {} });
  assert.deepEqual([again.status, again.body.builds], [201, 2]);
  farm.gate('eight').open();
  await farm.next('BuildSucceeded', isBuild(`${again.body.submission}-1`));
  await farm.next('BuildSucceeded', isBuild(`${again.body.submission}-2`));
}
