import assert from 'node:assert/strict';
import { it } from 'node:test';
import { derivation, openTestCoordinator } from '../../support/coordinator.ts';

for (const reason of ['handed-back', 'unknown-attempt'] as const)
  it(`an agent that gives back all it gets (${reason}) gets it more and more seldom`, async () => {
    const farm = await openTestCoordinator([derivation(1)]);
    await farm.connect('a');
    await farm.submit(1);
    let given = 0;
    for (let [next] = farm.allocations(); next !== undefined; [next] = farm.allocations()) {
      given++;
      assert.ok(given < 100, 'given again at once, however often it comes back');
      const { build, attempt } = next;
      await farm.report('a', { type: 'released', build, attempt, reason });
    }
    const [build] = [...farm.farm.queue.unfinishedBuilds()];
    assert.ok(build);
    const why = await farm.application.why(`${build.submission}-1`);
    assert.equal(why.reason, 'back-off');
    assert.match(why.summary, new RegExp(`^Attempt ${given} was handed back\\. Attempt ${given + 1} may start from `));

    await farm.pass(100);
    const [again] = farm.allocations();
    assert.ok(again, 'it is not forgotten');
    await farm.report('a', { type: 'started', build: again.build, attempt: again.attempt });
    await farm.succeed('a', again, 1);
    assert.equal(build.state.status, 'succeeded');
  });
