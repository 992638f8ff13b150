import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { createEdges, type Edges } from '../../projections/edges.ts';
import { createMemory } from '../../projections/memory.ts';

const rooms = [0, 1, 2, 3, 5, 8];
const items = 6;
const step = fc.record({ row: fc.nat(rooms.length - 1), to: fc.array(fc.nat(items - 1), { maxLength: 8 }) });

it('the list of an item has the rows that lead to it, newest first, whatever was cut, linked anew and loaded again', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const free = new Set<number>(rooms.keys());
      let memory = createMemory();
      let edges = createEdges((row) => free.add(row), memory);
      for (const [row, room] of rooms.entries()) assert.equal(edges.push(room), row);
      const lists = new Map<number, number[]>();
      const targets = new Map<number, number[]>();
      for (const [n, { row, to }] of steps.entries()) {
        const led = targets.get(row);
        if (led !== undefined) {
          for (const item of led) lists.set(item, lists.get(item)?.filter((one) => one !== row) ?? []);
          targets.delete(row);
          edges.cut(row);
        } else if (free.delete(row)) {
          const distinct = [...new Set(to)].slice(0, rooms[row]).sort((a, b) => a - b);
          for (const item of distinct) lists.set(item, [row, ...(lists.get(item) ?? [])]);
          targets.set(row, distinct);
          edges.link(
            row,
            to.filter((item) => distinct.includes(item)),
          );
        }
        if (n % 10 === 9) [memory, edges] = loaded(memory, free);
        for (let item = 0; item < items; item++) assertList(edges, item, lists.get(item) ?? []);
        for (const each of rooms.keys()) assert.deepEqual(targetsOf(edges, each), targets.get(each) ?? []);
      }
    }),
    { numRuns: 300 },
  );
});

it('a walk in turns misses no row that stays, whatever is cut and linked between two turns', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(19), { maxLength: 30 }), fc.nat(4), (changes, every) => {
      const free: number[] = [];
      const edges = createEdges((row) => free.push(row), createMemory());
      const isLinked = Array.from({ length: 20 }, () => true);
      for (let row = 0; row < 20; row++) edges.link(edges.push(2), [0, 1]);
      const left = changes.slice();
      const seen = new Set<number>();
      let turns = 0;
      for (const row of edges.rowsOf(0)) {
        seen.add(row);
        if (turns++ % (every + 1) > 0) continue;
        const row2 = left.pop();
        if (row2 === undefined) continue;
        if (isLinked[row2]) edges.cut(row2);
        else if (free.includes(row2)) edges.link(free.splice(free.indexOf(row2), 1)[0] as number, [1, 0]);
        isLinked[row2] = !isLinked[row2] && !free.includes(row2) && targetsOf(edges, row2).length > 0;
      }
      assert.ok(turns < 1_000);
      const touched = new Set(changes);
      for (let row = 0; row < 20; row++) if (!touched.has(row)) assert.ok(seen.has(row), `row ${row}`);
    }),
    { numRuns: 300 },
  );
});

function loaded(memory: ReturnType<typeof createMemory>, free: Set<number>): [typeof memory, Edges] {
  const again = createMemory();
  const edges = createEdges((row) => free.add(row), again);
  for (const [name, part] of memory.parts) again.parts.get(name)?.load(structuredClone(part.save()));
  return [again, edges];
}

function targetsOf(edges: Edges, row: number): number[] {
  const found: number[] = [];
  edges.eachTarget(row, (item) => found.push(item));
  return found;
}

function assertList(edges: Edges, item: number, expected: readonly number[]): void {
  const found: number[] = [];
  edges.eachRow(item, (row) => {
    found.push(row);
    return false;
  });
  assert.deepEqual(found, expected);
  assert.deepEqual([...edges.rowsOf(item)], expected);
  let first: number | undefined;
  edges.eachRow(item, (row) => {
    assert.equal(first, undefined, 'stopped');
    first = row;
    return true;
  });
  assert.equal(first, expected[0]);
  assert.equal(edges.isTarget(item), expected.length > 0);
}
