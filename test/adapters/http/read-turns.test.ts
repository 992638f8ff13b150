import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createReadTurns } from '../../../adapters/http/read-turns.ts';

it('answers those who read a few in each turn of the loop, whoever asks for how much, and none who has gone', async () => {
  const turns = createReadTurns();
  const served: string[] = [];
  let inTurn = 0;
  let most = 0;
  let others = 0;
  const all = Promise.withResolvers<void>();
  const tick = setInterval(() => others++, 0);
  /** Works for 3 ms, over some promises. */
  async function work(by: string): Promise<void> {
    for (let step = 0; step < 3; step++) {
      await undefined;
      for (const until = performance.now() + 1; performance.now() < until; );
    }
    served.push(by);
    if (inTurn++ === 0) setImmediate(() => (inTurn = 0));
    most = Math.max(most, inTurn);
    if (served.length === 41) all.resolve();
  }
  const ask = (by: string, isGone = false): void => turns.take({ by, isGone: () => isGone }, () => void work(by));
  for (let n = 0; n < 40; n++) ask('much');
  for (let n = 0; n < 40; n++) ask('left', true);
  ask('little');
  await all.promise;
  clearInterval(tick);
  assert.ok(served.indexOf('little') <= 3, `${served}`);
  assert.ok(!served.includes('left'));
  assert.ok(most <= 4 && others >= 5, `${most} in one turn, others had ${others}`);
});

it('goes on after an answer that fails', async () => {
  const turns = createReadTurns();
  const wish = { by: 'one', isGone: () => false };
  assert.throws(
    () =>
      turns.take(wish, () => {
        throw new Error('planted');
      }),
    /planted/,
  );
  await new Promise<void>((resolve) => {
    turns.take(wish, resolve);
  });
});
