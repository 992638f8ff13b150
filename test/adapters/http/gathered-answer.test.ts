import assert from 'node:assert/strict';
import { it } from 'node:test';
import { gatherAnswers } from '../../../adapters/http/gathered-answer.ts';

it('makes one answer for all who ask before it is begun, and another for who asks later', async () => {
  let known = 0;
  let made = 0;
  const making = Promise.withResolvers<void>();
  const ask = gatherAnswers(async () => {
    made++;
    const told = known;
    if (made === 1) {
      making.resolve();
      await later.promise;
    }
    return told;
  }, 20);
  const later = Promise.withResolvers<void>();
  const first = [ask(), ask()];
  await making.promise;
  known = 1;
  const second = [ask(), ask()];
  later.resolve();
  assert.deepEqual(await Promise.all(first), [0, 0]);
  assert.deepEqual(await Promise.all(second), [1, 1], 'who asks once one is begun may know of more than it tells');
  assert.equal(made, 2);
});

it('fails for those who asked for the answer that failed alone', async () => {
  let made = 0;
  const ask = gatherAnswers(async () => {
    if (++made === 1) throw new Error('not now');
    return made;
  }, 1);
  await Promise.all([assert.rejects(ask(), /not now/), assert.rejects(ask(), /not now/)]);
  assert.equal(await ask(), 2);
});
