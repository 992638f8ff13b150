import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createGraph } from '../../projections/graph.ts';
import { createMemory } from '../../projections/memory.ts';
import { loadParts, saveParts } from '../support/farm-parts.ts';
import { fakeBase } from '../support/paths.ts';

/** Adds derivation `n`, which needs outputs of some that are there and some sources; or forgets one that nothing needs; or goes on from what was saved. */
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('add' as const),
      needs: fc.array(fc.nat(), { maxLength: 6 }),
      sources: fc.uniqueArray(fc.nat(5), { maxLength: 3 }),
      outputs: fc.integer({ min: 1, max: 2 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('forget' as const), pick: fc.nat() }) },
  { weight: 1, arbitrary: fc.constant({ type: 'load' as const }) },
);

describe('the graph', () => {
  it('has what was added and not forgotten, in rows that are used again', () => {
    let reused = 0;
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        let memory = createMemory();
        let graph = createGraph(memory);
        /** By path: outputs and needed items. */
        const there = new Map<string, { outputs: string[]; needs: string[] }>();
        let added = 0;
        for (const one of steps) {
          if (one.type === 'add') {
            const n = added++;
            const path = fakeBase('d', n, '.drv');
            const paths = [...there.keys()];
            const inputs =
              paths.length === 0 ? [] : [...new Set(one.needs.map((pick) => paths[pick % paths.length] as string))];
            const outputs = Object.fromEntries(
              ['out', 'dev'].slice(0, one.outputs).map((name) => [name, fakeBase(name === 'out' ? 'out' : 'v', n)]),
            );
            const sources = one.sources.map((source) => fakeBase('s', source));
            const before = graph.derivationRows;
            graph.add({ path, system: 'x', outputs, inputs: inputs.map((input) => input.slice(0, 32)), sources });
            if (graph.derivationRows === before) reused++;
            const needs = [...inputs.map((input) => there.get(input)?.outputs[0] as string), ...sources];
            there.set(path, { outputs: Object.values(outputs), needs });
          } else if (one.type === 'forget') {
            const unneeded = [...there].filter(
              ([, { outputs }]) =>
                ![...there.values()].some(({ needs }) => outputs.some((output) => needs.includes(output))),
            );
            const [path] = unneeded[one.pick % Math.max(1, unneeded.length)] ?? [];
            if (path === undefined) continue;
            graph.forget(graph.drvOf(path) as number);
            there.delete(path);
          } else {
            const saved = saveParts(memory.parts);
            memory = createMemory();
            graph = createGraph(memory);
            loadParts(memory.parts, saved);
          }
          check();
        }

        function check(): void {
          assert.equal(graph.derivations, there.size);
          const rows = Array(graph.derivationRows).keys().filter(graph.isDerivation).toArray();
          assert.deepEqual(new Set(rows.map(graph.drvPath)), new Set(there.keys()));
          for (const [path, { outputs, needs }] of there) {
            const drv = graph.drvOf(path) as number;
            const needed: string[] = [];
            graph.eachNeed(drv, (item) => void needed.push(graph.itemPath(item)));
            assert.deepEqual(needed.sort(), needs.sort());
            assert.deepEqual(
              graph.outputs(drv).map(({ item }) => graph.itemPath(item)),
              outputs,
            );
            for (const output of outputs) {
              const makers: number[] = [];
              graph.eachProducer(graph.itemOf(output) as number, (one) => void makers.push(one));
              assert.deepEqual(makers, [drv]);
            }
          }
          for (let item = 0; item < graph.itemRows; item++) {
            const found: string[] = [];
            graph.eachNeeder(item, (drv) => {
              found.push(graph.drvPath(drv));
              assert.ok(found.length <= there.size, 'a list of those that need an item does not go round');
              return undefined;
            });
            const wanted = [...there].filter(([, { needs }]) => needs.includes(graph.itemPath(item)));
            assert.deepEqual(found.sort(), wanted.map(([path]) => path).sort());
            assert.equal(graph.isNeeded(item), wanted.length > 0);
          }
        }
      }),
      { numRuns: 150 },
    );
    assert.ok(reused > 0);
  });

  it('finds outputs by name wherever they come, and no other derivation for one that lacks it', () => {
    const graph = createGraph();
    const add = (n: number, outputs: Record<string, string>, inputs: string[] = []) =>
      graph.add({ path: fakeBase('d', n, '.drv'), system: 'x86_64-linux', outputs, inputs, sources: [] });
    const hash = (n: number, names = ''): string => `${fakeBase('d', n).slice(0, 32)}${names}`;
    add(0, {});
    add(1, { bin: fakeBase('b', 1), out: fakeBase('o', 1) });
    add(2, { out: fakeBase('o', 2), static: fakeBase('s', 2) });
    const drv = add(3, { out: fakeBase('o', 3) }, [
      hash(1),
      hash(1, '!bin'),
      hash(2),
      hash(2, '!out,static'),
    ]) as number;
    const needed: string[] = [];
    graph.eachNeed(drv, (item) => void needed.push(graph.itemPath(item)));
    assert.deepEqual(
      needed.sort(),
      [['b', 1] as const, ['o', 1] as const, ['o', 2] as const, ['s', 2] as const].map(([kind, n]) =>
        fakeBase(kind, n),
      ),
    );
    assert.throws(() => add(4, { out: fakeBase('o', 4) }, [hash(0)]), /has no output out, which .* needs/);
    assert.throws(() => add(4, { out: fakeBase('o', 4) }, [hash(2, '!bin')]), /has no output bin, which .* needs/);
    assert.throws(() => add(4, { out: fakeBase('o', 4) }, [hash(1), hash(9)]), /came before its input/);
  });
});
