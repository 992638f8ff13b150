import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isDroverError } from '../../../coordinator/errors.ts';
import type { AgentMessage, AgentOob, KnownAttempt } from '../../../domain/agent/messages.ts';
import { failureClasses } from '../../../domain/build/failure-class.ts';
import { derivation, openTestCoordinator, outPath } from '../../support/coordinator.ts';
import { fakeSha256 } from '../../support/paths.ts';

const day = 24 * 3600;

describe('an agent that says what is not so', () => {
  it('of a cancellation that nobody ordered gets the attempt taken away, and it is tried elsewhere', async () => {
    const farm = await openTestCoordinator([derivation(1)]);
    await farm.connect('a');
    const { submission } = await farm.submit(1);
    const [first] = farm.allocations();
    await farm.connect('b');
    const key = { build: `${submission}-1`, attempt: 1 };
    assert.equal(first?.agent, 'a');
    await farm.report('a', { type: 'released', ...key, reason: 'canceled' });
    assert.match((await farm.application.why(key.build)).summary, /a failed: agent-error: .*nobody cancelled it/);
    await farm.pass(100);
    const [second] = farm.allocations();
    assert.equal(second?.agent, 'b');
  });

  it('and is at an attempt for ever gets it taken away', async () => {
    const farm = await openTestCoordinator([derivation(1)]);
    await farm.connect('a');
    const { submission } = await farm.submit(1);
    const key = { build: `${submission}-1`, attempt: 1 };
    await farm.report('a', { type: 'started', ...key });
    farm.sent.splice(0);
    await farm.pass(1062);
    assert.deepEqual(
      farm.sent.map(({ message }) => message.type),
      ['cancel'],
    );
    assert.match(
      (await farm.application.why(key.build)).summary,
      /a failed: agent-error: its agent is connected and has neither/,
    );
    // It never says that it has stopped; its slot is free after a lease all the same.
    await farm.pass(300);
    assert.equal(farm.allocations()[0]?.attempt, 2);
  });

  it('and is away meanwhile has its lease', async () => {
    const farm = await openTestCoordinator([derivation(1)]);
    await farm.connect('a');
    await farm.submit(1);
    const [allocation] = farm.allocations();
    await farm.application.agentDisconnected('a', 'no route');
    farm.hear(false);
    await farm.pass(5000);
    assert.deepEqual(await farm.types(`build-${allocation?.build}`), ['BuildSubmitted', 'BuildAllocated']);
  });

  /** One thing that an agent may do; `pick` chooses among all that there is. */
  const step = fc.record({ does: fc.nat(11), pick: fc.nat(1000), attempt: fc.integer({ min: 1, max: 4 }) });

  it('in whatever order, keeps no build from its end, and the coordinator from nothing', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const farm = await openTestCoordinator([
          derivation(1),
          derivation(2, [1]),
          derivation(3),
          derivation(4, [2, 3]),
        ]);
        await farm.connect('liar', { slots: 2 });
        await farm.submit(4);
        const builds = [...farm.farm.queue.unfinishedBuilds()].map(
          ({ submission, number }) => `${submission}-${number}`,
        );
        const refused = (error: unknown) => assert.ok(isDroverError(error), String(error));

        for (const { does, pick, attempt } of steps) {
          const build = [...builds, 'nothing-1'][pick % (builds.length + 1)] as string;
          const key = { build, attempt };
          const classes = failureClasses[pick % failureClasses.length] as (typeof failureClasses)[number];
          const phases = ['preparing', 'building', 'uploading', 'ended'] as const;
          const running: KnownAttempt[] = builds.map((one) => ({
            build: one,
            attempt,
            phase: phases[pick % 4] as 'ended',
          }));
          const n = builds.indexOf(build) + 1;
          const outputs = [{ name: 'out', path: outPath(n), narHash: fakeSha256(n), narSize: 1, references: [] }];
          const said: (() => Promise<unknown>)[] = [
            ...(
              [
                { type: 'started', ...key },
                { type: 'setup-failed', ...key, class: classes, message: 'so', missing: [outPath(1)] },
                { type: 'setup-failed', ...key, class: classes, message: 'so' },
                { type: 'failed', ...key, class: classes, message: 'so' },
                { type: 'succeeded', ...key, outputs, durationMs: 1, logBytes: 0 },
                {
                  type: 'released',
                  ...key,
                  reason: (['handed-back', 'canceled', 'unknown-attempt'] as const)[pick % 3],
                },
              ] as AgentMessage[]
            ).map((message) => () => farm.application.agentMessage('liar', message)),
            ...(
              [
                { type: 'heartbeat', running: pick, waiting: [{ ...key, for: 'upload', reason: 'so' }] },
                { type: 'heartbeat', running: pick, ...(pick % 2 === 0 && { unfit: 'so' }) },
                { type: 'holds', hashes: outPath(pick).slice(0, 32), fresh: pick % 2 === 0 },
                { type: 'log', ...key, offset: pick % 3, data: Buffer.alloc(pick) },
              ] as AgentOob[]
            ).map((oob) => () => farm.application.agentOob('liar', oob)),
            () => farm.connect('liar', { slots: 2 }, running.slice(pick % 5)),
            () => farm.application.agentDisconnected('liar', 'so'),
            () => farm.pass(pick),
          ];
          await (said[does] as () => Promise<unknown>)().catch(refused);
          await farm.settle();
        }

        // From here on it says nothing more, but is there.
        await farm.connect('liar', { slots: 2 }, []);
        farm.allocations();
        await farm.connect('honest', { slots: 2 });
        const numberOf = (drv: string) => Number([1, 2, 3, 4].find((n) => derivation(n).path === drv));
        const unfinished = () => [...farm.farm.queue.unfinishedBuilds()];
        for (let hours = 0; hours < 30 * 24 && unfinished().length > 0; hours += 6) {
          for (const next of farm.allocations()) {
            if (next.agent !== 'honest') continue;
            await farm.succeed('honest', next, numberOf(next.derivation)).catch(refused);
          }
          await farm.pass(day / 4);
        }
        for (const { submission, number } of unfinished()) {
          const why = await farm.application.why(`${submission}-${number}`);
          assert.ok(why.reason === 'inputs' && why.blockers.length > 0, why.summary);
          assert.ok(
            why.blockers.every(({ state }) => state === 'failed'),
            'what it waits for has failed',
          );
        }
        assert.deepEqual(farm.failures, []);
        farm.dispose();
      }),
      { numRuns: 60 },
    );
  });
});
