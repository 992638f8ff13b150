import assert from 'node:assert/strict';
import { it } from 'node:test';
import { derivation, drvPath, outPath } from '../../support/coordinator.ts';
import { fakeBase } from '../../support/paths.ts';
import { openWorkedFarm } from '../../support/worked-farm.ts';

it('a build’s inputs are told with what builds them and whether they are there, page by page', async () => {
  const source = fakeBase('s', 1);
  const two = { outputs: { out: outPath(1), dev: fakeBase('v', 1) } };
  const both = `${drvPath(1).slice(0, 32)}!dev,out`;
  const facts = [
    derivation(0),
    derivation(1, [], two),
    derivation(2),
    derivation(3, [0, 2], { inputs: [drvPath(0).slice(0, 32), both, drvPath(2).slice(0, 32)], sources: [source] }),
  ];
  const farm = await openWorkedFarm(facts);
  const { submission } = await farm.wish([drvPath(3)]);
  const build = (n: number) =>
    farm.farm.queue.buildsOf(submission).find(({ drv }) => farm.farm.graph.drvPath(drv) === drvPath(n));
  const id = (n: number) => `${submission}-${build(n)?.number}`;
  await farm.work((path) => path === drvPath(2));

  const output = (n: number, output = 'out', path = outPath(n), available = true) => ({ output, path, available });
  const inputs = [
    { derivation: drvPath(0), items: [output(0)], build: id(0), state: 'succeeded' },
    {
      derivation: drvPath(1),
      items: [output(1), output(1, 'dev', fakeBase('v', 1))],
      build: id(1),
      state: 'succeeded',
    },
    { derivation: drvPath(2), items: [output(2, 'out', outPath(2), false)], build: id(2), state: 'failed' },
    { items: [{ path: source, available: false }] },
  ];
  const { application } = farm;
  const whole = { derivation: drvPath(3), inputs, total: 4 };
  assert.deepEqual(await application.buildInputs(id(3), { limit: 10 }), whole);
  assert.deepEqual(await application.buildInputs(id(3), { limit: 3 }), {
    ...whole,
    inputs: inputs.slice(0, 3),
    next: 3,
  });
  assert.deepEqual(await application.buildInputs(id(3), { after: 3, limit: 3 }), { ...whole, inputs: inputs.slice(3) });
  assert.deepEqual(await application.buildInputs(id(3), { after: 9, limit: 3 }), { ...whole, inputs: [] });
  assert.deepEqual(await application.buildInputs(id(0), { limit: 3 }), {
    derivation: drvPath(0),
    inputs: [],
    total: 0,
  });
  await assert.rejects(application.buildInputs('nothing-1', { limit: 3 }), { code: 'unknown-build' });
});
