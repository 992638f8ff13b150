import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { countWaiting, findBlockers } from '../../projections/blockers.ts';
import type { BuildRecord } from '../../projections/builds.ts';
import { finish } from '../../projections/pace.ts';
import { createTimedFarm } from '../support/timed-farm.ts';

/** So many derivations below, which lack a source each, and as many above, each of which needs all of those. */
const width = 120;

function wideFarm() {
  const timed = createTimedFarm();
  timed.connect('a');
  const below = Array.from({ length: width }, (_, n) => n + 1);
  for (const n of below) timed.derivation(n, [], { sources: [10_000 + n] });
  for (const n of below) timed.derivation(width + n, below);
  for (const n of [...below, ...below.map((n) => width + n)])
    timed.build(`s-${n}`, { type: 'BuildSubmitted', data: timed.submitted(n) });
  const build = (n: number) => timed.farm.queue.build(`s-${n}`) as BuildRecord;
  return { farm: timed.farm, builds: below.map((n) => build(width + n)) };
}

describe('blockers of a farm with more ways between builds than builds', () => {
  it('are all named, and what waits for each counted, where there is room for all ways', () => {
    const { farm, builds } = wideFarm();
    const { blockers, total, more } = finish(findBlockers(farm, builds));
    assert.deepEqual({ total, more, waiting: blockers[0]?.waiting }, { total: width, more: undefined, waiting: width });
  });

  it('stop being looked for after so many ways, with one named and the word that there may be more', () => {
    const { farm, builds } = wideFarm();
    // Room for every derivation and item, and for less than the ways between them.
    const { blockers, more } = finish(findBlockers(farm, builds, 5 * width));
    assert.equal(more, true);
    assert.equal(blockers[0]?.state, 'source-missing');
  });

  it('are counted through so many ways, and are said to block at least as many', () => {
    const { farm, builds } = wideFarm();
    const [blocker] = finish(findBlockers(farm, builds)).blockers;
    assert.ok(blocker);
    assert.deepEqual(finish(countWaiting(farm, blocker, { left: 1000, ways: 100_000 })), { blocks: width + 1 });
    const budget = { left: 1000, ways: 50 };
    assert.deepEqual(finish(countWaiting(farm, blocker, budget)), { blocks: 50, more: true });
    assert.equal(budget.ways, 0);
  });
});
