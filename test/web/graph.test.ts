import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fitted, moved, zoomed } from '../../web/graph/camera.ts';
import { troubleOf } from '../../web/graph/look.ts';
import { card, makeScene, nextTo, nodeAt } from '../../web/graph/scene.ts';
import { shapePath } from '../../web/graph/shapes.ts';
import { type Graph, lookOf } from '../../web/submission/graph-look.ts';

const layOut = (size: number, edges: readonly number[]) => {
  const steps = makeScene(size, edges);
  for (let many = 1; ; many++) {
    const step = steps.next();
    if (step.done) return { scene: step.value, steps: many };
  }
};

describe('the layout of a graph', () => {
  it('has what is needed to the left of what needs it, as near as it can be, and nothing twice in one place', () => {
    // 0 → 1 → 2 → 3, and 4 → 3: that is needed last.
    const { scene } = layOut(6, [0, 1, 1, 2, 2, 3, 4, 3]);
    const columns = [...new Set(scene.x)].sort((a, b) => a - b);
    const columnOf = (node: number): number => columns.indexOf(scene.x[node] as number);
    assert.deepEqual([0, 1, 2, 3, 4].map(columnOf), [0, 1, 2, 3, 2]);

    const size = 5000;
    const edges = Array.from({ length: 3 * size }, (_, n) => [((n * 7919) % 4999) % (1 + (n % size)), n % size])
      .filter(([from, to]) => from !== to)
      .flat();
    const { scene: large, steps } = layOut(size, edges);
    assert.ok(steps > 20, `${steps} steps`);
    assert.equal(new Set(Array.from(large.x, (x, node) => `${x} ${large.y[node]}`)).size, size);
    for (let at = 0; at < edges.length; at += 2)
      assert.ok((large.x[edges[at] as number] as number) < (large.x[edges[at + 1] as number] as number));
    for (let node = 0; node < size; node++) {
      assert.ok((large.x[node] as number) >= 0 && (large.x[node] as number) + card.width <= large.width);
      assert.ok((large.y[node] as number) >= 0 && (large.y[node] as number) + card.height <= large.height);
    }
    const byPlace = Array.from(large.x, (x, node) => [x, large.y[node] as number] as const).sort(
      ([a, above], [b, below]) => a - b || above - below,
    );
    for (const [index, [x, y]] of byPlace.entries()) {
      const [nextX, nextY] = byPlace[index + 1] ?? [-1, 0];
      assert.ok(nextX !== x || nextY - y > card.height, 'no card lies on another');
    }
  });

  it('ends where there is nothing, nothing that needs anything, or a circle', () => {
    assert.equal(layOut(0, []).scene.size, 0);
    const { scene } = layOut(100, []);
    assert.ok(new Set(scene.x).size > 3, 'not all in one column');
    assert.equal(layOut(3, [0, 1, 1, 2, 2, 0]).scene.x.length, 3);
  });

  it('is found by where it is, and followed by its lines', () => {
    const { scene } = layOut(5, [0, 2, 1, 2, 2, 3]);
    const placeOf = (node: number) => ({ x: (scene.x[node] as number) + 3, y: (scene.y[node] as number) + 3 });
    for (const node of [0, 1, 2, 3, 4]) assert.equal(nodeAt(scene, placeOf(node), 0), node);
    assert.equal(nodeAt(scene, { x: -100, y: -100 }, 50), undefined);
    assert.equal(nextTo(scene, 2, 'right'), 3);
    assert.ok([0, 1].includes(nextTo(scene, 2, 'left') as number));
    assert.equal(nextTo(scene, 3, 'right'), undefined);
    const first = (scene.y[0] as number) < (scene.y[1] as number) ? 0 : 1;
    assert.equal(nextTo(scene, first, 'down'), 1 - first);
    assert.equal(nextTo(scene, 1 - first, 'up'), first);
  });
});

describe('how a graph looks', () => {
  it('marks what failed with all that waits for it, and not what was built all the same', () => {
    const { scene } = layOut(6, [0, 1, 1, 2, 0, 3, 3, 4]);
    const states = ['failed', 'blocked', 'blocked', 'succeeded', 'waiting', 'ready'];
    assert.deepEqual([...troubleOf(states, scene.needers)], [1, 1, 1, 0, 0, 0]);
  });

  it('shows a part as what of it is to be seen first, and counts builds', () => {
    const graph: Graph = {
      at: 1,
      shape: 'a',
      builds: 12,
      nodes: [{ build: 's-1', derivation: `${'0'.repeat(32)}-x-1.drv` }],
      parts: [
        { prefix: 'python-', builds: 10 },
        { prefix: 'r', builds: 1 },
      ],
      edges: [0, 1],
      stateNames: ['building', 'blocked', 'succeeded'],
      states: [2],
      partStates: [
        [3, 1, 6],
        [0, 0, 1],
      ],
    };
    const { states, labels, notes, parts, path, counts } = lookOf(graph, ['s-9', 's-1']);
    assert.deepEqual(states, ['succeeded', 'blocked', 'succeeded']);
    assert.deepEqual(labels, ['x-1', 'python-…', 'r…']);
    assert.deepEqual(notes, ['succeeded', '10 builds', '1 builds']);
    assert.deepEqual(parts.get(1), [
      ['building', 3],
      ['blocked', 1],
      ['succeeded', 6],
    ]);
    assert.deepEqual([path, Object.fromEntries(counts)], [[0], { succeeded: 8, building: 3, blocked: 1 }]);
  });
});

describe('what is looked at of a graph', () => {
  it('is all of it at first, in the middle and no larger than it is', () => {
    assert.deepEqual(fitted({ width: 2000, height: 300 }, { width: 1000, height: 400 }), { scale: 0.5, x: 0, y: -250 });
    assert.deepEqual(fitted({ width: 100, height: 100 }, { width: 300, height: 200 }), { scale: 1, x: -100, y: -50 });
    // Names are below their shapes, and no smaller than they are elsewhere.
    const { scale, y } = fitted({ width: 500, height: 728 }, { width: 1000, height: 400 });
    assert.deepEqual([scale, (728 - y) * scale], [0.5, 382]);
  });

  it('keeps what is under the pointer where it is', () => {
    const at = { x: 30, y: 40 };
    const near = zoomed({ x: 100, y: 200, scale: 0.5 }, 2, at);
    assert.deepEqual(near, { scale: 1, x: 130, y: 240 });
    assert.deepEqual(zoomed(near, 1e9, at).scale, 2);
    assert.deepEqual(moved({ x: 0, y: 0, scale: 0.5 }, 10, -20), { scale: 0.5, x: 20, y: -40 });
  });

  it('has a shape for each state', () => {
    const states = [
      'fetching',
      'building',
      'ready',
      'deferred',
      'back-off',
      'waiting',
      'blocked',
      'succeeded',
      'failed',
      'canceled',
      'new',
    ];
    const paths = states.map((state) => shapePath(state, 5, 5, 10));
    assert.equal(new Set(paths).size, states.length);
    for (const path of paths) assert.match(path, /^M(-?[\d.]+ -?[\d.]+L)+-?[\d.]+ -?[\d.]+Z$/);
  });
});
