import assert from 'node:assert/strict';
import { e2e } from '../support/e2e/e2e-test.ts';
import { expectOneAttempt, isAgent } from '../support/e2e/events-of.ts';
import { noise } from '../support/e2e/farm.ts';
import { offsetOf, uploadOffsets, uploadWritten } from '../support/e2e/uploads.ts';

e2e('a connection that is cut while building costs nothing', {}, async (farm) => {
  await farm.agent('a');
  await farm.submit(['slow']);
  const { gone } = await farm.gate('slow').arrived();
  farm.network.refusing = true;
  farm.network.cut();
  await farm.next('AgentDisconnected', isAgent('a'));
  const id = await farm.buildOf('slow');
  const { body: why } = await farm.request('GET', `/v1/builds/${id}/why`);
  assert.equal(why.reason, 'running');
  assert.match(why.summary, /not connected/);
  // The result is there before the network is.
  farm.gate('slow').open();
  await gone;
  farm.network.refusing = false;
  await farm.next('AgentConnected', isAgent('a'), 2);
  await expectOneAttempt(farm, 'slow');
  const { body: log } = await farm.request('GET', `/v1/builds/${id}/log`);
  assert.equal(log, 'slow waits\nslow goes on\n');
});

e2e(
  'a connection on which nothing moves is found out, and the build goes on over a new one',
  { flags: ['--heartbeat-seconds', '1'] },
  async (farm) => {
    await farm.agent('a');
    await farm.submit(['slow']);
    await farm.gate('slow').arrived();
    farm.network.stall();
    await farm.next('AgentConnected', isAgent('a'), 2);
    farm.gate('slow').open();
    await expectOneAttempt(farm, 'slow');
  },
);

e2e('an upload that is cut goes on where it was, again and again', {}, async (farm) => {
  await farm.agent('a');
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
});
