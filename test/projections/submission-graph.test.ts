import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { partsByName } from '../../projections/name-parts.ts';
import { finish } from '../../projections/pace.ts';
import { type GraphShape, graphStates, submissionGraph } from '../../projections/submission-graph.ts';
import { fakeBase } from '../support/paths.ts';
import { createTimedFarm, type TimedFarm } from '../support/timed-farm.ts';

function farmOf(needs: readonly (readonly number[])[]): TimedFarm {
  const farm = createTimedFarm();
  for (const [n, inputs] of needs.entries()) farm.derivation(n, inputs);
  farm.at(1000);
  for (const n of needs.keys()) farm.build(`s-${n + 1}`, { type: 'BuildSubmitted', data: farm.submitted(n) });
  return farm;
}

const most = { nodes: 40, parts: 14 };
const look = ({ farm }: TimedFarm, part = '', known?: GraphShape) =>
  finish(submissionGraph(farm, farm.queue.buildsOf('s'), part, known, 5, most));

/** What each build needs by the edges, by the numbers of the builds. */
function edgesOf({ nodes, edges }: GraphShape): Map<number, number[]> {
  const numberOf = (node: number): number => Number(nodes[node]?.build.slice(2)) - 1;
  const found = new Map(nodes.map((_, node) => [numberOf(node), [] as number[]]));
  for (let at = 0; at < edges.length; at += 2)
    found.get(numberOf(edges[at + 1] as number))?.push(numberOf(edges[at] as number));
  return found;
}

describe('the graph of a submission', () => {
  it('has each derivation once with the state of its last build, and what it needs where no other edge says it', () => {
    const farm = farmOf([[], [0], [0, 1], [2, 0], []]);
    farm.agent('a', 'AgentRegistered', { name: 'a' });
    farm.connect('a');
    farm.build('s-1', { type: 'BuildAllocated', data: { attempt: 1, agent: 'a' } });
    farm.build('s-5', { type: 'BuildCanceled', data: {} } as never);
    farm.build('s-6', { type: 'BuildSubmitted', data: farm.submitted(4) });
    const { shape, graph } = look(farm);
    assert.deepEqual(
      [...edgesOf(shape)].sort(([a], [b]) => a - b),
      [
        [0, []],
        [1, [0]],
        [2, [1]],
        [3, [2]],
        [5, []],
      ],
    );
    const states = Object.fromEntries(
      shape.nodes.map(({ build }, node) => [build, graphStates[graph.states[node] as number]]),
    );
    const rest = { 's-2': 'waiting', 's-3': 'waiting', 's-4': 'waiting', 's-6': 'ready' };
    assert.deepEqual(states, { 's-1': 'fetching', ...rest });
    assert.deepEqual([graph.builds, shape.parts], [5, []]);

    // What another state is, is the same graph; another build is not.
    farm.build('s-1', { type: 'BuildStarted', data: { attempt: 1 } });
    const then = look(farm, '', shape);
    assert.equal(then.shape, shape);
    assert.equal(graphStates[then.graph.states[0] as number], 'building');
    farm.build('s-7', { type: 'BuildSubmitted', data: farm.submitted(4) });
    assert.notEqual(look(farm, '', shape).shape.shape, shape.shape);
    assert.equal(look(farm, fakeBase('d', 2, '.drv').slice(33)).graph.builds, 1);
  });

  it('has a way from one to another where there was one, and each edge for itself alone', () => {
    const graphs = fc.array(fc.array(fc.nat(), { maxLength: 5 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(graphs, (all) => {
        const needs = all.map((inputs, n) => (n === 0 ? [] : [...new Set(inputs.map((input) => input % n))]));
        const kept = edgesOf(look(farmOf(needs)).shape);
        const all0 = closures((n) => needs[n] as number[], needs.length);
        assert.deepEqual(
          closures((n) => kept.get(n) as number[], needs.length),
          all0,
        );
        for (const [n, own] of kept)
          for (const input of own)
            for (const other of own) assert.ok(!all0[other]?.has(input), `${n} needs ${input} by ${other}`);
      }),
      { numRuns: 50 },
    );
  });

  it('is in parts where there is very much, each of which is a graph of its own', () => {
    const size = 3 * most.nodes;
    const farm = farmOf(Array.from({ length: size }, (_, n) => (n < 10 ? [] : [n - 10, n % 10])));
    const { shape, graph } = look(farm);
    assert.ok(
      shape.parts.length > 2 && shape.parts.length + shape.nodes.length <= most.parts,
      `${shape.parts.length} parts`,
    );
    const inParts = shape.parts.reduce((sum, { builds }) => sum + builds, 0);
    assert.equal(inParts + shape.nodes.length, size);
    assert.equal(graph.builds, size);
    for (const [part, counts] of graph.partStates.entries())
      assert.equal(
        counts.reduce((sum, count) => sum + count, 0),
        shape.parts[part]?.builds,
      );
    const into = new Map<number, number>();
    for (let at = 1; at < shape.edges.length; at += 2)
      into.set(shape.edges[at] as number, (into.get(shape.edges[at] as number) ?? 0) + 1);
    assert.ok(into.size > 0 && Math.max(...into.values()) <= 3);
    const [{ prefix, builds }] = shape.parts as [{ prefix: string; builds: number }];
    const inside = look(farm, prefix);
    assert.deepEqual([inside.shape.nodes.length, inside.shape.parts.length], [builds, 0]);
    assert.equal(look(farm, 'nothing begins so').graph.builds, 0);
  });
});

describe('parts of names', () => {
  const parts = (names: readonly string[], most: number) =>
    Object.fromEntries(finish(partsByName(names, most)).map(({ prefix, members }) => [prefix, members.length]));

  it('are told apart by what they begin with, the large ones further', () => {
    const names = [
      'bash',
      'gcc-1',
      'gcc-2',
      ...Array.from({ length: 20 }, (_, n) => `python-${n < 10 ? 'a' : 'b'}${n}`),
    ];
    assert.deepEqual(parts(names, 3), { bash: 1, 'gcc-': 2, 'python-': 20 });
    assert.deepEqual(parts(names, 6), { bash: 1, 'gcc-': 2, 'python-a': 10, 'python-b1': 10 });
    assert.deepEqual(parts([], 3), {});
    assert.deepEqual(parts(['a', 'ab', 'a', 'abc'], 4), { a: 2, ab: 1, abc: 1 });
  });

  it('have each name once, and are no more than so many', () => {
    const name = fc.string({ unit: fc.constantFrom('a', 'b', '-'), maxLength: 5 });
    fc.assert(
      fc.property(fc.array(name, { minLength: 1 }), fc.integer({ min: 1, max: 9 }), (names, most) => {
        const found = finish(partsByName(names, most));
        assert.ok(found.length <= most);
        const members = found.flatMap((part) => part.members);
        assert.deepEqual(
          members.toSorted((a, b) => a - b),
          [...names.keys()],
        );
        for (const part of found) for (const member of part.members) assert.ok(names[member]?.startsWith(part.prefix));
      }),
    );
  });
});

/** All that is below each one. */
function closures(needs: (n: number) => readonly number[], size: number): Set<number>[] {
  const found: Set<number>[] = [];
  for (let n = 0; n < size; n++) {
    const own = new Set<number>();
    for (const input of needs(n)) for (const below of [input, ...(found[input] as Set<number>)]) own.add(below);
    found.push(own);
  }
  return found;
}
