import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadsAt } from '../../web/words/loads.ts';

test('a minute of which nothing is said is as the one before it', () => {
  const of = (queued: number, building: number) => ({ queued, building });
  const loads = [
    { at: 60_000, systems: { a: of(5, 1) } },
    { at: 180_000, systems: { b: of(2, 2) } },
    { at: 240_000, systems: { a: of(0, 0) } },
  ];
  const minutes = [0, 1, 2, 3, 4, 5];
  assert.deepEqual(loadsAt(loads, minutes), [of(0, 0), of(5, 1), of(5, 1), of(7, 3), of(2, 2), of(2, 2)]);
  assert.deepEqual(loadsAt(loads, minutes, 'a'), [of(0, 0), of(5, 1), of(5, 1), of(5, 1), of(0, 0), of(0, 0)]);
  assert.deepEqual(loadsAt(loads, minutes, 'c'), Array(6).fill(of(0, 0)));
});
