import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createGraph, type Graph } from '../../projections/graph.ts';
import { createUrgency } from '../../projections/urgency.ts';
import { fakeBase } from '../support/paths.ts';

/** A chain in which each derivation needs the one before it, and each build takes a second; none is submitted yet. */
function chain(length: number) {
  const graph = createGraph();
  let followed = 0;
  const counted: Graph = Object.create(graph, {
    eachNeed: {
      value: (...args: Parameters<Graph['eachNeed']>) => {
        followed++;
        graph.eachNeed(...args);
      },
    },
  });
  const active = new Set<number>();
  const own = new Map<number, number>();
  for (let n = 0; n < length; n++)
    graph.add({
      path: fakeBase('d', n, '.drv'),
      system: 'x86_64-linux',
      outputs: { out: fakeBase('out', n) },
      inputs: n === 0 ? [] : [fakeBase('d', n - 1, '.drv').slice(0, 32)],
      sources: [],
    });
  const urgency = createUrgency({
    graph: counted,
    producers: {
      underWay(item) {
        let maker: number | undefined;
        graph.eachProducer(item, (drv) => {
          maker = drv;
          return true;
        });
        return maker !== undefined && active.has(maker) ? maker : undefined;
      },
      refresh: () => undefined,
    },
    isActive: (drv) => active.has(drv),
    ownPriority: (drv) => own.get(drv) ?? 0,
    expectedSeconds: () => 1,
    lacksInputs: () => true,
    changed: () => undefined,
  });
  return {
    urgency,
    submit(drv: number, priority = 0): void {
      active.add(drv);
      own.set(drv, priority);
      urgency.touched(drv);
    },
    end(drv: number): void {
      active.delete(drv);
      urgency.touched(drv);
    },
    get followed() {
      return followed;
    },
  };
}

describe('urgency', () => {
  it('costs what is added to a long queue, not what is in it, and is exact in the end', () => {
    const length = 1000;
    const farm = chain(length);
    for (let drv = 0; drv < length; drv++) {
      farm.submit(drv);
      farm.urgency.settle(8);
    }
    assert.ok(farm.followed < 20 * length, `${farm.followed} derivations looked at`);
    farm.urgency.settleAll();
    for (const drv of [0, 1, length / 2, length - 1]) assert.equal(farm.urgency.criticalPath(drv), length - drv);
  });

  it('hands priorities on at once, whatever there is to do for critical paths', () => {
    const length = 100;
    const farm = chain(length);
    for (let drv = 0; drv < length; drv++) farm.submit(drv);
    farm.urgency.settleAll();
    farm.submit(length - 1, 5);
    farm.urgency.settle(0);
    assert.equal(farm.urgency.priority(0), 5);
    farm.end(length - 1);
    farm.urgency.settle(0);
    assert.equal(farm.urgency.priority(0), 0);
    assert.equal(farm.urgency.criticalPath(0), length, 'the rest follows');
    farm.urgency.settleAll();
    assert.equal(farm.urgency.criticalPath(0), length - 1);
  });

  it('gets to what is to be built first, though the chain above it grows all the time', () => {
    const length = 200;
    const farm = chain(length);
    for (let drv = 0; drv < length; drv++) {
      farm.submit(drv);
      farm.urgency.settle(2);
    }
    assert.ok(farm.urgency.criticalPath(0) > length / 4, `${farm.urgency.criticalPath(0)} s`);
  });
});
