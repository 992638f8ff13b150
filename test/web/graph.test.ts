import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fitted, moved, zoomed } from '../../web/graph/camera.ts';
import { forestOf } from '../../web/graph/forest.ts';
import { layOut, seenOf } from '../../web/graph/layout.ts';
import { shapePath } from '../../web/graph/shapes.ts';

describe('the layout of a graph', () => {
  it('has each one layer further than the furthest below it, between the first and the last of these', () => {
    const nodes = [
      { id: 'top' },
      { id: 'a', parent: 'top' },
      { id: 'b', parent: 'top' },
      { id: 'c', parent: 'b' },
      { id: 'd', parent: 'b' },
      { id: 'alone' },
    ];
    const { places, edges, layers, rows } = layOut(forestOf(nodes));
    const at = Object.fromEntries(places.map(({ node, layer, row }) => [node.id, [layer, row]]));
    assert.deepEqual(at, { a: [0, 0], c: [0, 1], d: [0, 2], b: [1, 1.5], top: [2, 0.75], alone: [0, 3] });
    assert.deepEqual([layers, rows, edges.length], [3, 4, 4]);
  });

  it('has no two in one place, however many, nor a line that runs over another node', () => {
    const nodes = Array.from({ length: 5000 }, (_, n) => ({
      id: `${n}`,
      ...(n > 3 && { parent: `${((n * 7919) % 4999) % n}` }),
    }));
    const { places, edges, layers } = layOut(forestOf(nodes));
    assert.equal(places.length, nodes.length);
    assert.equal(new Set(places.map(({ layer, row }) => `${layer} ${row}`)).size, nodes.length);
    // A line stays in its own row up to the layer where it ends.
    const taken = new Map<number, number[]>();
    for (const { layer, row } of places) taken.set(row, [...(taken.get(row) ?? []), layer]);
    for (const { from, to } of edges)
      assert.ok(!taken.get(from.row)?.some((layer) => layer > from.layer && layer < to.layer));
    assert.ok(layers > 5);
  });

  it('is drawn as far as it is seen, and lines that only pass', () => {
    const chain = Array.from({ length: 3000 }, (_, n) => ({ id: `${n}`, parent: `${n + 1}` }));
    const layout = layOut(forestOf([...chain, { id: 'aside', parent: '2999' }]));
    assert.equal(layout.layers, 3000);
    const seen = seenOf(layout, { left: 9.5, right: 12.5, top: -1, bottom: 0.2 });
    assert.deepEqual(
      seen.places.map(({ layer }) => layer),
      [10, 11, 12],
    );
    assert.equal(seen.edges.length, 4);
    const below = seenOf(layout, { left: 9.5, right: 12.5, top: 0.8, bottom: 1.2 });
    assert.deepEqual([below.places.length, below.edges.length], [0, 1]);
  });
});

describe('what is looked at of a graph', () => {
  it('is all of it at first, in the middle and no larger than it is', () => {
    assert.deepEqual(fitted({ width: 2000, height: 300 }, { width: 1000, height: 400 }), { scale: 0.5, x: 0, y: -250 });
    assert.deepEqual(fitted({ width: 100, height: 100 }, { width: 300, height: 200 }), { scale: 1, x: -100, y: -50 });
  });

  it('keeps what is under the pointer where it is', () => {
    const at = { x: 30, y: 40 };
    const near = zoomed({ x: 100, y: 200, scale: 0.5 }, 2, at);
    assert.deepEqual(near, { scale: 1, x: 130, y: 240 });
    assert.deepEqual(zoomed(near, 1e9, at).scale, 2);
    assert.deepEqual(moved({ x: 0, y: 0, scale: 0.5 }, 10, -20), { scale: 0.5, x: 20, y: -40 });
  });

  it('has a shape for each state', () => {
    const states = ['fetching', 'building', 'ready', 'deferred', 'back-off', 'waiting', 'blocked', 'new'];
    const paths = states.map((state) => shapePath(state, 5, 5, 10));
    assert.equal(new Set(paths).size, states.length);
    for (const path of paths) assert.match(path, /^M(-?[\d.]+ -?[\d.]+L)+-?[\d.]+ -?[\d.]+Z$/);
  });
});
