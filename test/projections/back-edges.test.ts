import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { type BackEdges, createBackEdges } from '../../projections/back-edges.ts';
import { createMemory } from '../../projections/memory.ts';

/** Some are further from each other than three bytes can say. */
const far = 9_000_000;
const edges = fc.nat(11).map((n) => (n < 8 ? n : far + n));
const step = fc.record({ edge: edges, item: fc.nat(4) });

it('the list of an item has the edges that lead to it, newest first, whatever was cut and linked anew, near or far', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const free = new Set<number>();
      const backEdges = createBackEdges('edges', (edge) => free.add(edge), createMemory());
      backEdges.lengthen(far + 12);
      for (let n = 0; n < 12; n++) free.add(n < 8 ? n : far + n);
      const lists = new Map<number, number[]>();
      const itemOf = new Map<number, number>();
      for (const { edge, item } of steps) {
        const led = itemOf.get(edge);
        if (led !== undefined) {
          lists.set(led, lists.get(led)?.filter((one) => one !== edge) ?? []);
          itemOf.delete(edge);
          backEdges.cut(edge);
        } else if (free.delete(edge)) {
          lists.set(item, [edge, ...(lists.get(item) ?? [])]);
          itemOf.set(edge, item);
          backEdges.link(edge, item);
        }
        for (let each = 0; each < 5; each++) assertList(backEdges, each, lists.get(each) ?? []);
        for (const one of free) assert.equal(backEdges.target(one), -1);
      }
    }),
    { numRuns: 60 },
  );
});

function assertList(backEdges: BackEdges, item: number, expected: readonly number[]): void {
  const found: number[] = [];
  let isAnyCut = false;
  for (let edge = backEdges.first(item); edge !== -1; edge = backEdges.next(edge)) {
    assert.ok(backEdges.isIn(item, edge));
    if (backEdges.target(edge) === item) found.push(edge);
    else isAnyCut = true;
  }
  assert.deepEqual(found, expected);
  assert.equal(backEdges.isTarget(item), expected.length > 0);
  assert.equal(backEdges.hasCut(item), isAnyCut);
}
