import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAllowance } from '../../web/live/allowance.ts';

/** When something is asked for that is wished for every so many milliseconds, for so long. */
function asked(everyMs: number, forMs: number): number[] {
  const allowance = createAllowance();
  const times: number[] = [];
  let due: number | undefined;
  for (let now = 1000; now <= 1000 + forMs; now++) {
    if ((now - 1000) % everyMs === 0) due ??= now + allowance.waitAt(now);
    if (due === undefined || now < due) continue;
    allowance.spend(now);
    times.push(now - 1000);
    due = undefined;
  }
  return times;
}

test('what changes now and then is asked for at once, and what always changes every half second', () => {
  assert.deepEqual(asked(600, 3000), [0, 600, 1200, 1800, 2400, 3000]);
  const first = asked(10, 20_000);
  // What happens together is seen together, within a tenth of a second.
  assert.deepEqual(first.slice(0, 3), [0, 50, 100]);
  const many = first.filter((at) => at >= 10_000);
  assert.ok(many.length <= 21 && many.length >= 19, `${many.length} in ten seconds`);
});
