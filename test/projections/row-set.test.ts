import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { createRowSet } from '../../projections/row-set.ts';

it('a set of rows is a set, also of rows that came since, and is walked with what is added meanwhile', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(40)), fc.nat(10), (rows, size) => {
      const [set, model] = [createRowSet(size), new Set<number>()];
      for (const row of rows) {
        set.add(row);
        model.add(row);
      }
      assert.deepEqual([...set], [...model]);
      assert.equal(set.size, model.size);
      for (let row = 0; row < 50; row++) assert.equal(set.has(row), model.has(row));
    }),
  );
  const set = createRowSet(0);
  set.add(8);
  for (const row of set) if (row > 0) set.add(Math.floor(row / 2));
  assert.deepEqual([...set], [8, 4, 2, 1, 0]);
});
