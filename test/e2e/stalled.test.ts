import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openSqliteEventStore } from '../../adapters/event-store/sqlite/store.ts';
import { e2e } from '../support/e2e/e2e-test.ts';
import { isBuild } from '../support/e2e/events-of.ts';
import type { Farm } from '../support/e2e/farm.ts';

// What is made to spin is a function of the sources. A clone runs these, and so does this farm, whatever the others run.
delete process.env.DROVER_TEST_PROGRAM;
const spin = fileURLToPath(new URL('../support/e2e/spin.mjs', import.meta.url));
const spinning = (where: string) => ({ NODE_OPTIONS: `--import ${spin}`, DROVER_TEST_SPIN: where });

/** Waits until the coordinator has been ended by its watchdog; what that wrote down. */
async function stalled(farm: Farm, file = 'stalled.json') {
  assert.deepEqual(await farm.coordinator.exited, { code: 70, signal: null }, farm.coordinator.said());
  return JSON.parse(readFileSync(join(farm.data, file), 'utf8'));
}

/** One farm for both, as most of the time of a test is the start of its processes. */
e2e(
  'a submission over which the coordinator stands still is set aside, and all else goes on; an event is named',
  { flags: ['--watchdog-seconds', '1'], env: spinning('findNeeds two') },
  async (farm) => {
    await overASubmission(farm);
    await overAnEvent(farm);
  },
);

async function overASubmission(farm: Farm): Promise<void> {
  await farm.submit(['one']);
  const [two = ''] = await farm.instantiate('two');
  const submitting = farm.drover(['submit', '--store-root', farm.evaluated, two]);
  const { stack, work, seconds } = await stalled(farm);
  assert.equal(work.what, 'submission');
  const id = work.name;
  assert.match(stack[0], /^findNeeds \(.*\/projections\/needs\.ts:\d+:\d+\)$/);
  assert.ok(seconds >= 1);
  assert.match(farm.coordinator.said(), new RegExp(`stood still for .* over submission ${id}; its watchdog ends it`));

  await farm.start();
  assert.equal((await farm.next('SubmissionReceived', undefined, 2)).stream, `submission-${id}`);
  const aside = await farm.next('SubmissionSetAside');
  assert.equal(aside.stream, `submission-${id}`);
  assert.match(aside.data.reason, /stood still over it for \d+ s, in findNeeds/);
  const { code, said } = await submitting;
  assert.equal(code, 1, said);
  assert.match(said, new RegExp(`set aside.*drover submissions resume ${id}.*\\(submission-set-aside\\)`));
  const list = await farm.drover(['submissions', 'list']);
  assert.match(list.stdout, new RegExp(`${id} +set-aside`));
  const show = await farm.drover(['submissions', 'show', id]);
  assert.match(show.stdout, /stood still over it/);

  // All else goes on, and nothing of it is tried again by itself.
  await farm.agent('a');
  for (const name of ['one', 'three']) farm.gate(name).open();
  await farm.next('BuildSucceeded', isBuild(await farm.buildOf('one')));
  assert.equal(
    (await farm.drover(['submit', '--store-root', farm.evaluated, ...(await farm.instantiate('three'))])).code,
    0,
  );

  // An operator who wants to see it again sees it again; the answer may not come out any more.
  await farm.drover(['submissions', 'resume', id]);
  assert.deepEqual((await stalled(farm)).work, { what: 'submission', name: id });
  await farm.start([], { env: {} });
  await farm.next('SubmissionSetAside', undefined, 2);
  const resumed = await farm.drover(['submissions', 'resume', id]);
  assert.equal(resumed.code, 0, resumed.said);
  await farm.next('SubmissionQueued', ({ stream }) => stream === `submission-${id}`);
  farm.gate('two').open();
  await farm.next('BuildSucceeded', isBuild(await farm.buildOf('two')));
  const twice = await farm.drover(['submissions', 'resume', id]);
  assert.equal(twice.code, 1);
  assert.match(twice.said, /\(submission-not-set-aside\)/);
}

/** A replay that stands still names it, at each start, and none is blamed for it that is not there. */
async function overAnEvent(farm: Farm): Promise<void> {
  const id = await farm.buildOf('one');
  await farm.kill9();
  let position: string | undefined;
  {
    await using store = await openSqliteEventStore({ dir: farm.data });
    const event = { type: 'BuildPrioritized', version: 1, data: { priority: 777 } };
    const stream = `build-${id}` as const;
    await store.append({
      id: 'x',
      stream,
      expected: 'any',
      events: [event],
      meta: { actor: 'test' },
      at: Date.now(),
    });
    position = await store.head();
  }
  await assert.rejects(farm.start([], { env: spinning('evolveBuild 777') }), /did not start/);
  const { work, stack } = await stalled(farm);
  assert.equal(work.what, 'event');
  assert.match(work.name, new RegExp(`^build-${id}@\\d+ at ${position}$`));
  assert.match(stack[0], /^evolveBuild /);
  // Once that is mended, it starts; there is nothing to set aside.
  await farm.start([], { env: {} });
  assert.match(farm.coordinator.said(), /nothing to set aside/);
  assert.deepEqual((await stalledLast(farm)).work, work);
}

async function stalledLast(farm: Farm) {
  return JSON.parse(readFileSync(join(farm.data, 'stalled.last.json'), 'utf8'));
}
