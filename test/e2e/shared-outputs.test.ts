import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { auditReplay } from '../support/e2e/audit.ts';
import { e2e } from '../support/e2e/e2e-test.ts';
import { isBuild } from '../support/e2e/events-of.ts';

e2e('of two derivations with one output, one in the build chain of the other, the first is built', {}, async (farm) => {
  const [first = '', second = ''] = await farm.instantiate('firstSource', 'secondSource');
  const buildOf = async (path: string): Promise<string> => {
    const event = await farm.next('BuildSubmitted', ({ data }) => data.derivation === basename(path));
    return event.stream.slice('build-'.length);
  };

  // Alone and without its inputs the second can't run, and says what would set it going.
  await farm.submit(['secondSource'], '--no-inputs');
  const lonely = await buildOf(second);
  const why = await farm.drover(['builds', 'why', lonely]);
  assert.match(why.stdout, /^Blocked\. .*compiler: nobody asked for a build of it\./s);

  const agent = await farm.agent('a');
  const queued = await farm.submit(['compiler', 'product'], '--wait');
  assert.equal(queued.builds, 3, 'the compiler, the product and the first source');
  await farm.next('BuildSucceeded', isBuild(await buildOf(first)));
  await farm.next('BuildSatisfied', isBuild(lonely));
  const { body: build } = await farm.request('GET', `/v1/builds/${lonely}`);
  assert.deepEqual([build.state, build.attempt], ['succeeded', 0]);

  // With force it is built although its output is there, and an agent can, now that its compiler is.
  const again = await farm.submit(['secondSource'], '--force', '--wait');
  assert.equal(again.builds, 1);
  await agent.process.killGroup();
  await auditReplay(farm);
});
