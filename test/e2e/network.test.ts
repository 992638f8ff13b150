import assert from 'node:assert/strict';
import { e2e } from '../support/e2e/e2e-test.ts';
import { expectOneAttempt, isAgent } from '../support/e2e/events-of.ts';
import { type Farm, noise } from '../support/e2e/farm.ts';
import { offsetOf, uploadOffsets, uploadWritten } from '../support/e2e/uploads.ts';

/** One farm for all, as most of the time of a test is the start of its processes. */
e2e('a network that is cut or stands still costs no build', { flags: ['--heartbeat-seconds', '1'] }, async (farm) => {
  await farm.agent('a');
  await cutWhileBuilding(farm);
  await stalledWhileBuilding(farm);
  await cutWhileUploading(farm);
});

const connections = (farm: Farm): number => farm.feed.events.filter(({ type }) => type === 'AgentConnected').length;

/** It costs nothing. */
async function cutWhileBuilding(farm: Farm): Promise<void> {
  await farm.submit(['slow']);
  const { gone } = await farm.gate('slow').arrived();
  const before = connections(farm);
  farm.network.refusing = true;
  farm.network.cut();
  await farm.next('AgentDisconnected', isAgent('a'), before);
  const id = await farm.buildOf('slow');
  const { body: why } = await farm.request('GET', `/v1/builds/${id}/why`);
  assert.equal(why.reason, 'running');
  assert.match(why.summary, /not connected/);
  // The result is there before the network is.
  farm.gate('slow').open();
  await gone;
  farm.network.refusing = false;
  await farm.next('AgentConnected', isAgent('a'), before + 1);
  await expectOneAttempt(farm, 'slow');
  const { body: log } = await farm.request('GET', `/v1/builds/${id}/log`);
  assert.equal(log, 'slow waits\nslow goes on\n');
}

/** A connection on which nothing moves is found out, and the build goes on over a new one. */
async function stalledWhileBuilding(farm: Farm): Promise<void> {
  await farm.submit(['one']);
  await farm.gate('one').arrived();
  const before = connections(farm);
  farm.network.stall();
  await farm.next('AgentConnected', isAgent('a'), before + 1);
  farm.gate('one').open();
  await expectOneAttempt(farm, 'one');
}

/** An upload goes on where it was, again and again. */
async function cutWhileUploading(farm: Farm): Promise<void> {
  farm.put('blob', noise(6 * 1024 * 1024));
  const first = farm.network.hold(/^PATCH \/v1\/uploads\//, 2 * 1024 * 1024);
  await farm.submit(['afterBig']);
  const cut = await first;
  await uploadWritten(farm, 1024 * 1024);
  const second = farm.network.hold(/^PATCH \/v1\/uploads\//, 2 * 1024 * 1024);
  cut.cut();
  const cutAgain = await second;
  const offset = offsetOf(cutAgain.request);
  assert.ok(offset >= 1024 * 1024, `expected to go on at 1 MiB or later, got ${offset}`);
  await uploadWritten(farm, offset + 1024 * 1024);
  // Everything at once, the link too.
  farm.network.cut();
  cutAgain.cut();
  await expectOneAttempt(farm, 'big');
  await expectOneAttempt(farm, 'after-big');
  assert.ok(Math.max(...uploadOffsets(farm)) >= offset + 1024 * 1024);
}
