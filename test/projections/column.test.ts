import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { NarrowInts } from '../../projections/column.ts';

const widest = 2 ** 23;
const small = fc.integer({ min: -widest, max: widest - 1 });
const value = fc.oneof(
  { weight: 20, arbitrary: small },
  fc.integer(),
  fc.constantFrom(-widest - 1, -widest, widest - 1, widest),
);
const isBeyond = (value: number): boolean => value < -widest || value >= widest;
const step = fc.oneof(
  fc.record({ lengthen: fc.nat(40), filled: fc.option(value, { nil: undefined }) }),
  fc.record({ push: value }),
  fc.record({ row: fc.nat(), value }),
  fc.constant('save and load' as const),
);

it('narrow integers are what was written, before and after one is too large for three bytes, and when they were saved and loaded', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let column = new NarrowInts();
      const rows: number[] = [];
      let isWide = false;
      for (const next of steps) {
        if (next === 'save and load') {
          const saved = column.save();
          assert.equal(saved.byteLength, rows.length * (isWide ? 4 : 3));
          column = new NarrowInts();
          column.load(saved);
        } else if ('lengthen' in next) {
          column.lengthen(next.lengthen, next.filled);
          rows.push(...new Array(next.lengthen).fill(next.filled ?? 0));
          isWide ||= next.lengthen > 0 && isBeyond(next.filled ?? 0);
        } else if ('push' in next) {
          assert.equal(column.push(next.push), rows.length);
          rows.push(next.push);
          isWide ||= isBeyond(next.push);
        } else if (rows.length > 0) {
          const row = next.row % rows.length;
          column.set(row, next.value);
          rows[row] = next.value;
          isWide ||= isBeyond(next.value);
        }
        assert.equal(column.length, rows.length);
        assert.deepEqual(
          rows.map((_, row) => column.get(row)),
          rows,
        );
      }
    }),
  );
});
