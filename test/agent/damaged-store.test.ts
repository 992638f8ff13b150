import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { BuildOutcome } from '../../agent/ports/builder.ts';
import { allocationOf, startTestAgent, temporaryFolder } from '../support/agent-harness.ts';
import { createFakeBuilder } from '../support/fake-builder.ts';
import { startFakeCoordinator } from '../support/fake-coordinator.ts';

const malformed: BuildOutcome = {
  status: 'failed',
  class: 'agent-error',
  message: 'executing SQLite query: database disk image is malformed',
  storeDamaged: true,
};

async function withAgent(found: () => void, message: 'released' | 'failed') {
  await using coordinator = await startFakeCoordinator();
  await using state = await temporaryFolder();
  const check = { what: 'store database', run: async () => found() };
  const builder = createFakeBuilder(() => Promise.resolve(malformed));
  await using _agent = await startTestAgent(coordinator, builder, state.path, { checks: [check] });
  await coordinator.hello();
  coordinator.send(allocationOf('b1', 'true').message);
  return await coordinator.message(message, 'b1');
}

describe('a builder that says that the store is damaged', () => {
  test('has the attempt handed back, where the agent finds that it cannot build', async () => {
    let tries = 0;
    const released = await withAgent(() => {
      tries++;
      if (tries > 1) throw new Error('db.sqlite is damaged');
    }, 'released');
    assert.equal(released.type === 'released' && released.reason, 'handed-back');
  });

  test('fails the attempt, where the agent finds nothing: it ends', async () => {
    const failed = await withAgent(() => {}, 'failed');
    assert.ok(failed.type === 'failed');
    assert.deepEqual([failed.class, failed.message], ['agent-error', malformed.message]);
  });
});
