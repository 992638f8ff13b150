import assert from 'node:assert/strict';
import { e2e } from '../support/e2e/e2e-test.ts';
import { expectOneAttempt, isAgent, isBuild } from '../support/e2e/events-of.ts';

e2e('cancelling ends the builder, and what needed it waits with a reason', {}, async (farm) => {
  await farm.agent('a');
  await farm.submit(['after']);
  const { gone } = await farm.gate('slow').arrived();
  const [slow, after] = [await farm.buildOf('slow'), await farm.buildOf('after')];
  const { code, said } = await farm.drover(['builds', 'cancel', slow]);
  assert.equal(code, 0, said);
  await farm.next('BuildCanceled', isBuild(slow));
  await gone;
  const { body: why } = await farm.request('GET', `/v1/builds/${after}/why`);
  assert.deepEqual([why.reason, why.inputs[0].state, why.inputs[0].build], ['inputs', 'canceled', slow]);

  // The slot is free again, and a retry sets it going.
  await farm.drover(['builds', 'retry', slow]);
  await farm.gate('slow').arrived();
  farm.gate('slow').open();
  await farm.next('BuildSucceeded', isBuild(after));
});

e2e(
  'a cancelled submission ends for whoever waits for it, and what another waits for goes on, also over a kill',
  {},
  async (farm) => {
    await farm.agent('a', { slots: 2 });
    const roots = await farm.instantiate('after', 'one');
    const waiting = farm.drover(['submit', '--store-root', farm.evaluated, '--wait', ...roots]);
    const { gone } = await farm.gate('one').arrived();
    await farm.gate('slow').arrived();
    const [slow, after] = [await farm.buildOf('slow'), await farm.buildOf('after')];
    const submission = slow.slice(0, slow.lastIndexOf('-'));
    const other = await farm.submit(['slow']);
    const filter = ['builds', 'cancel', '--submission', submission];
    const refused = await farm.drover(filter);
    assert.equal(refused.code, 1);
    assert.match(refused.said, /would cancel 2 builds:.*1 build would go on.*hint: add --yes to say so/s);
    const { code, stdout } = await farm.drover(['submissions', 'cancel', submission, '--reason', 'wrong branch']);
    assert.equal(code, 0);
    assert.match(stdout, new RegExp(`cancelled 2 builds:.*slow .running, wanted by ${other.submission}`, 's'));
    await gone;
    const ended = await waiting;
    assert.equal(ended.code, 1);
    assert.match(ended.said, /was cancelled by admin: wrong branch\n/);

    await farm.kill9();
    await farm.start();
    farm.gate('slow').open();
    await farm.next('BuildSucceeded', isBuild(slow));
    assert.equal((await farm.request('GET', `/v1/builds/${after}`)).body.state, 'canceled');
    // Had again, it is built: what was kept is there already.
    const again = await farm.request('POST', `/v1/submissions/${submission}/retry`, { body: {} });
    assert.deepEqual([again.status, again.body.builds], [201, 2]);
    farm.gate('one').open();
    await farm.next('BuildSucceeded', isBuild(`${again.body.submission}-1`));
    await farm.next('BuildSucceeded', isBuild(`${again.body.submission}-2`));
  },
);

e2e('a wait ends where nothing that is left can run, and says what would set it going', {}, async (farm) => {
  await farm.agent('a');
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
});

e2e('a higher priority goes first', {}, async (farm) => {
  await farm.agent('a');
  await farm.submit(['slow']);
  await farm.gate('slow').arrived();
  await farm.submit(['one', 'two', 'three']);
  for (const name of ['one', 'two', 'three']) farm.gate(name).open();
  const { code, said } = await farm.drover(['builds', 'prioritize', await farm.buildOf('three'), '10']);
  assert.equal(code, 0, said);
  await farm.drover(['builds', 'prioritize', await farm.buildOf('two'), '5']);
  farm.gate('slow').open();
  for (const name of ['one', 'two', 'three']) await expectOneAttempt(farm, name);
  const names = new Map<string, string>();
  for (const name of ['one', 'two', 'three', 'slow']) names.set(`build-${await farm.buildOf(name)}`, name);
  const order = farm.feed.events.filter(({ type }) => type === 'BuildAllocated').map(({ stream }) => names.get(stream));
  assert.deepEqual(order, ['slow', 'three', 'two', 'one']);
});

e2e('a drained agent ends what it has and waits, over a restart, until it is resumed', {}, async (farm) => {
  const a = await farm.agent('a', { slots: 2 });
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
    /a was stopped .*, and is drained \(a new kernel\): once it is back, 'drover agents resume a'/,
  );
  a.restart(['--slots', '1']);
  await farm.next('AgentConnected', isAgent('a'));
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
});

e2e('SIGTERM hands a build back, and another agent builds it at once', {}, async (farm) => {
  const a = await farm.agent('a', { onShutdown: 'hand-back' });
  await farm.submit(['slow']);
  const { gone } = await farm.gate('slow').arrived();
  await farm.agent('b');
  const id = await farm.buildOf('slow');
  a.process.kill('SIGTERM');
  const released = await farm.next('BuildReleased', isBuild(id));
  assert.deepEqual(released.data, { attempt: 1, agent: 'a', reason: 'handed-back' });
  await gone;
  assert.deepEqual(await a.process.exited, { code: 0, signal: null });
  await farm.gate('slow').arrived();
  farm.gate('slow').open();
  const success = await farm.next('BuildSucceeded', isBuild(id));
  assert.deepEqual([success.data.attempt, success.data.agent], [2, 'b']);
});

e2e('SIGTERM with finish: what runs ends first', {}, async (farm) => {
  const a = await farm.agent('a', { onShutdown: 'finish' });
  await farm.submit(['slow']);
  await farm.gate('slow').arrived();
  a.process.kill('SIGTERM');
  await a.process.says(/leaving: finish/);
  farm.gate('slow').open();
  await expectOneAttempt(farm, 'slow');
  assert.deepEqual(await a.process.exited, { code: 0, signal: null });
});
