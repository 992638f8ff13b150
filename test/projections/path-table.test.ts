import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createMemory } from '../../projections/memory.ts';
import { createNameTable, createSeed } from '../../projections/name-table.ts';
import { createPathTable as createTable } from '../../projections/path-table.ts';
import { loadParts, saveParts } from '../support/farm-parts.ts';

function createPathTable(memory = createMemory(), value = 0) {
  const seed = createSeed(memory, value);
  return createTable(memory, createNameTable(memory.within('names.'), seed), seed);
}
const character = (text: string) => fc.constantFrom(...text);
/** Few hash parts, so that some are there twice. */
const path = fc
  .tuple(
    fc.string({ unit: character('0123456789ab'), minLength: 1, maxLength: 2 }),
    fc.string({ unit: character('az+-._?=09'), minLength: 1, maxLength: 211 }),
    fc.constantFrom('', '', '.drv'),
  )
  .map(([hash, name, end]) => `${hash.padStart(20, '0').padEnd(32, '0')}-${name}${end}`);

describe('a table of paths', () => {
  it('finds what a Map would, before a load and after it, whatever its seed', () => {
    fc.assert(
      fc.property(
        fc.array(path, { maxLength: 100 }),
        fc.array(path),
        fc.nat(100),
        fc.integer(),
        (paths, others, at, seed) => {
          const memory = createMemory();
          const table = createPathTable(memory, seed);
          for (const one of paths.slice(0, at)) table.push(one);
          const againMemory = createMemory();
          const again = createPathTable(againMemory, seed + 1);
          loadParts(againMemory.parts, saveParts(memory.parts));
          for (const one of paths.slice(at)) for (const each of [table, again]) each.push(one);
          const first = new Map<string, number>();
          for (const [row, one] of paths.entries()) if (!first.has(one.slice(0, 32))) first.set(one.slice(0, 32), row);
          for (const each of [table, again]) {
            assert.equal(each.length, paths.length);
            for (const [row, one] of paths.entries()) {
              assert.equal(each.path(row), one);
              assert.equal(each.is(row, one), true);
              assert.equal(each.is(row, `${one}x`), false);
              assert.equal(each.is(row, one.slice(0, -1)), false);
            }
            for (const one of [...paths, ...others]) assert.equal(each.byHash(one), first.get(one.slice(0, 32)));
            const asked = [...paths, ...others, ...paths];
            assert.deepEqual(
              [...each.allByHash(asked).subarray(0, asked.length)],
              asked.map((one) => first.get(one.slice(0, 32)) ?? -1),
            );
            for (const one of others) if (paths[0] !== undefined) assert.equal(each.is(0, one), one === paths[0]);
            for (const odd of ['', 'e', `${'0'.repeat(31)}e-n`, '0'.repeat(31)])
              assert.equal(each.byHash(odd), undefined);
          }
        },
      ),
    );
  });

  it('has each character at each place of a hash part', () => {
    const table = createPathTable();
    const alphabet = '0123456789abcdfghijklmnpqrsvwxyz';
    const paths = Array.from({ length: 32 * 32 }, (_, n) => {
      const text = alphabet.repeat(2).slice(n % 32, (n % 32) + 32);
      const place = n >> 5;
      return `${text.slice(0, place)}${alphabet[(place * 7) % 32]}${text.slice(place + 1)}-n`;
    });
    for (const one of paths) table.push(one);
    for (const [row, one] of paths.entries()) assert.equal(table.path(row), one);
  });

  it('takes nothing that is no store path', () => {
    const table = createPathTable();
    for (const odd of [
      '',
      'n',
      `${'e'.repeat(32)}-n`,
      '0'.repeat(32),
      `${'0'.repeat(32)}+n`,
      `${'0'.repeat(32)}-${'n'.repeat(300)}`,
    ])
      assert.throws(() => table.push(odd), /expected the base name of a store path/);
    for (const odd of ['', `${'e'.repeat(32)}-n`, '0'.repeat(31)])
      assert.throws(() => table.allByHash(['0'.repeat(32), odd]), /expected a hash part/);
    assert.equal(table.length, 0);
  });

  it('finds each of very many', () => {
    const table = createPathTable(createMemory());
    const pathOf = (n: number): string =>
      `${n
        .toString(32)
        .replace(/[eout]/g, 'z')
        .padEnd(26, 'x')}${String(n).padStart(6, '0')}-n`;
    for (let n = 0; n < 20_000; n++) assert.equal(table.push(pathOf(n)), n);
    for (let n = 0; n < 20_000; n++) assert.equal(table.byHash(pathOf(n)), n);
    assert.equal(table.byHash(pathOf(20_001)), undefined);
  });
});
