import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { createHashIndex } from '../../projections/hash-index.ts';
import { createMemory, type Memory } from '../../projections/memory.ts';
import { loadParts, saveParts } from '../support/farm-parts.ts';

it('an index of hashes finds what was entered and not taken out, the first of those that are alike', () => {
  // Few hashes, so that many have one place or the one after it, also at the end of the table.
  const step = fc.tuple(
    fc.constantFrom('enter', 'enter', 'remove', 'load'),
    fc.nat(30),
    fc.constantFrom(0, 1, 2, 1022, 1023, -1),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const hashes: (number | undefined)[] = [];
      const create = (memory: Memory) =>
        createHashIndex(
          memory,
          'index',
          () => hashes.length,
          (row) => hashes[row],
        );
      let memory = createMemory();
      let index = create(memory);
      for (const [does, pick, hash] of steps) {
        if (does === 'enter') index.enter(hash, hashes.push(hash) - 1);
        else if (does === 'load') {
          const saved = saveParts(memory.parts);
          memory = createMemory();
          index = create(memory);
          loadParts(memory.parts, saved);
        } else if (hashes[pick] !== undefined) {
          index.remove(hashes[pick], pick);
          hashes[pick] = undefined;
        }
        for (const wanted of [0, 1, 2, 1022, 1023, -1, 7]) {
          const rows = hashes.flatMap((one, row) => (one === wanted ? [row] : []));
          const found = index.find(wanted, (row) => hashes[row] === wanted);
          assert.equal(found !== undefined, rows.length > 0);
          for (const row of rows)
            assert.equal(
              index.find(wanted, (one) => one === row),
              row,
            );
        }
      }
    }),
  );
});

it('grows, and finds each of many', () => {
  const hashes = Array.from({ length: 5000 }, (_, row) => Math.imul(row, 0x9e3779b1));
  let length = 0;
  const index = createHashIndex(
    createMemory(),
    'index',
    () => length,
    (row) => hashes[row],
  );
  for (const hash of hashes) index.enter(hash, length++);
  for (const [row, hash] of hashes.entries())
    assert.equal(
      index.find(hash, (one) => one === row),
      row,
    );
});

it('has room for the number of a row that is beyond its places, where few rows are left', () => {
  const hashes: (number | undefined)[] = [];
  const index = createHashIndex(
    createMemory(),
    'index',
    () => hashes.length,
    (row) => hashes[row],
  );
  for (let row = 0; row < 5000; row++) {
    const hash = Math.imul(row, 0x9e3779b1);
    index.enter(hash, hashes.push(hash) - 1);
    assert.equal(
      index.find(hash, (one) => one === row),
      row,
    );
    if (row % 100 === 0) continue;
    index.remove(hash, row);
    hashes[row] = undefined;
  }
  for (const [row, hash] of hashes.entries())
    if (hash !== undefined)
      assert.equal(
        index.find(hash, (one) => one === row),
        row,
      );
});

it('asks of no row that has another hash', () => {
  const hashes = Array.from({ length: 900 }, (_, row) => Math.imul(row, 0x9e3779b1));
  const index = createHashIndex(
    createMemory(),
    'index',
    () => hashes.length,
    (row) => hashes[row],
  );
  for (const [row, hash] of hashes.entries()) index.enter(hash, row);
  let asked = 0;
  for (let other = 900; other < 1800; other++)
    index.find(Math.imul(other, 0x9e3779b1), () => {
      asked++;
      return false;
    });
  assert.equal(asked, 0);
});
