import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { auditReplay } from '../support/e2e/audit.ts';
import { e2e } from '../support/e2e/e2e-test.ts';
import { countOf, expectOneAttempt, isBuild } from '../support/e2e/events-of.ts';
import { type Agent, type Farm, holds, noise } from '../support/e2e/farm.ts';

/** Takes all the room there is; gives it back when it is disposed of. */
function fillDisk(farm: Farm): Disposable {
  const filler = join(farm.data, 'filler');
  const file = openSync(filler, 'w');
  for (const size of [1024 * 1024, 4096, 1]) {
    try {
      for (;;) writeSync(file, Buffer.alloc(size));
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
    }
  }
  closeSync(file);
  return { [Symbol.dispose]: () => rmSync(filler) };
}

/** One farm on one small disk for all, as most of the time of a test is the start of its processes. */
e2e(
  'a disk that runs full: what cannot be is refused or waits by name, and all goes on once there is room',
  { diskMiB: 16, flags: ['--heartbeat-seconds', '1', '--retry-base-seconds', '1', '--retry-max-seconds', '1'] },
  async (farm) => {
    const agent = await farm.agent('a');
    await writesAreRefused(farm, agent);
    await anUploadFindsTheDiskFull(farm);
    await anUploadThatThePoolHasNoRoomForWaits(farm);
    await anAgentsDiskFills(farm, agent);
    await agent.process.killGroup();
    await auditReplay(farm);
  },
);

async function writesAreRefused(farm: Farm, agent: Agent): Promise<void> {
  await farm.submit(['after']);
  const { gone } = await farm.gate('slow').arrived();
  const issue = () => farm.request('POST', '/v1/tokens', { body: { name: 'reader', scope: 'read' } });
  const acknowledged: string[] = [];
  {
    using _full = fillDisk(farm);
    let answer = await issue();
    // The file of the log may have some room left in its last page.
    for (; answer.status === 201; answer = await issue()) acknowledged.push(answer.body.id);
    assert.deepEqual([answer.status, answer.body.code], [507, 'disk-full']);
    assert.match(answer.body.detail, /disk .* full/);

    const ready = await farm.request('GET', '/readyz', { token: null });
    assert.deepEqual([ready.status, ready.body.code], [503, 'not-ready']);
    assert.match(ready.body.reasons.join(), /disk is full/);
    assert.equal((await farm.request('GET', '/healthz', { token: null })).status, 200);
    const again = await issue();
    assert.ok([503, 507].includes(again.status), `${again.status}`);
    assert.match(again.body.detail, /disk .*full/);

    // A build that ends meanwhile is not lost: its agent keeps it.
    farm.gate('slow').open();
    await gone;
    // Tried again, in vain.
    await farm.coordinator.says(/(?:log replayed[\s\S]*){2}(?:database or disk is full[\s\S]*){3}/);
    assert.ok(farm.coordinator.running && agent.process.running);
  }
  await farm.coordinator.says(/(?:"agent connected"[\s\S]*){2}/);
  farm.follow();
  await expectOneAttempt(farm, 'slow');
  await expectOneAttempt(farm, 'after');
  assert.equal((await farm.request('GET', '/readyz', { token: null })).status, 200);
  const { body } = await farm.request('GET', '/v1/tokens');
  const names = (body.rows ?? body.tokens ?? body).map(({ id }: { id: string }) => id);
  for (const id of acknowledged) assert.ok(names.includes(id), `token ${id} was acknowledged`);
  assert.equal(names.length, 2 + acknowledged.length, 'what was refused is not there');
}

/** It is refused by name, and goes on once there is room. */
async function anUploadFindsTheDiskFull(farm: Farm): Promise<void> {
  farm.put('blob', noise(4 * 1024 * 1024));
  const held = farm.network.hold(/^PATCH \/v1\/uploads\//);
  await farm.submit(['big']);
  const upload = await held;
  {
    using _full = fillDisk(farm);
    upload.resume();
    await farm.coordinator.says(/the pool has no room: an upload waits \(\S+-big\)/);
    assert.equal((await farm.request('GET', '/healthz', { token: null })).status, 200);
  }
  const id = await farm.buildOf('big');
  await farm.next('BuildSucceeded', isBuild(id));
  assert.equal(countOf(farm, 'BuildAttemptFailed', id), 0);
}

/** Everybody can see it, it holds nobody up, and goes on with room. */
async function anUploadThatThePoolHasNoRoomForWaits(farm: Farm): Promise<void> {
  farm.put('blob', noise(16 * 1024 * 1024));
  await farm.submit(['bigger']);
  const id = await farm.buildOf('bigger');
  await farm.coordinator.says(
    /the pool has no room: an upload waits \(\S+-bigger\), \d+ bytes are needed, \d+ are free/,
  );

  const warned = await farm.request('GET', '/readyz', { token: null });
  assert.equal(warned.status, 200);
  assert.match(warned.body.warnings.join(), /^the pool has no room: an upload waits/);
  const { body: metrics } = await farm.request('GET', '/metrics', { token: null });
  assert.match(metrics, /^drover_uploads_waiting 1$/m);
  assert.match((await farm.drover(['status'])).stdout, /uploads without room: +1\n/);

  // Its agent has one slot, which is free for others.
  farm.gate('one').open();
  await farm.submit(['one']);
  await expectOneAttempt(farm, 'one');
  const why = await farm.drover(['builds', 'why', id]);
  assert.match(
    why.stdout,
    /Agent a has built it \(attempt 1\); the upload waits: .*-bigger: expected room for the \d+ bytes/,
  );
  assert.equal(
    farm.coordinator.said().match(/the pool has no room: an upload waits \(\S+-bigger\)/g)?.length,
    1,
    'said once',
  );

  execFileSync('mount', ['-o', 'remount,size=64m', farm.data]);
  await expectOneAttempt(farm, 'bigger');
  assert.deepEqual((await farm.request('GET', '/readyz', { token: null })).body.warnings, []);
}

/** A store on a small disk: garbage goes for what finds it full, and nothing that is uploaded goes, although it is over its bound. */
async function anAgentsDiskFills(farm: Farm, agent: Agent): Promise<void> {
  const MiB = 1024 * 1024;
  await agent.kill9();
  // Nix keeps 8 MiB of it for its database.
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'tmpfs', agent.root]);
  using _mounted = { [Symbol.dispose]: () => void execFileSync('umount', ['--lazy', agent.root]) };
  agent.restart(['--min-free', '9M']);
  farm.put('blob', noise(8 * MiB));
  await farm.submit(['bigger'], '--force', '--wait');

  farm.put('blob', noise(18 * MiB));
  const held = farm.network.hold(/^PATCH \/v1\/uploads\//);
  await farm.submit(['biggest']);
  const id = await farm.buildOf('biggest');
  assert.equal((await farm.next('BuildAttemptFailed', isBuild(id))).data.class, 'disk-full');
  const limited = (reason: RegExp) => farm.next('AgentLimited', ({ data }) => reason.test(data.reason));
  await limited(/^a build found its disk full: it collects garbage/);
  const upload = await held;
  await limited(/^less than 9 MiB of its disk is free: it collects garbage once what it runs has ended$/);
  await farm.submit(['afterBig']);
  const waiting = await farm.buildOf('after-big');
  const why = await farm.drover(['builds', 'why', waiting]);
  assert.match(why.stdout, /it collects garbage once what it runs has ended/);
  upload.resume();
  const { outputs, attempt } = (await farm.next('BuildSucceeded', isBuild(id))).data;
  assert.equal(attempt, 2, 'what is uploaded stays');
  await farm.next('BuildSucceeded', isBuild(waiting));
  assert.ok(!holds(agent, outputs.out), 'what was uploaded went for what came after it');
  assert.equal(countOf(farm, 'BuildAttemptFailed', waiting), 0);
  await agent.process.killGroup();
}
