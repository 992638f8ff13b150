import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createFarm } from '../../projections/farm.ts';
import type { Item } from '../../projections/graph.ts';
import { findKeepChain } from '../../projections/keep-chain.ts';
import { findNeeded } from '../../projections/needed.ts';
import { neederOf } from '../../projections/needer.ts';
import { fakeBase } from '../support/paths.ts';

const referrers = 12_000;
const path = (n: number): string => fakeBase('item', n);

/** A farm with an item to which very many refer, and how often each of these was looked at. */
function farmWithMany() {
  const farm = createFarm();
  const item = farm.availability.add(path(0), []);
  for (let n = 1; n <= referrers; n++) farm.availability.add(path(n), [path(0)]);
  let looks = 0;
  const availability = {
    ...farm.availability,
    *referrersOf(one: Item) {
      for (const referrer of farm.availability.referrersOf(one)) {
        looks++;
        yield referrer;
      }
    },
  };
  return { farm: { ...farm, availability }, item, looks: () => looks };
}

type Many = ReturnType<typeof farmWithMany>;

/** Most that was looked at between two yields. */
function longestStep<Value>(steps: Generator<undefined, Value>, looks: () => number): number {
  let longest = 0;
  for (let before = looks(); ; before = looks()) {
    const { done } = steps.next();
    longest = Math.max(longest, looks() - before);
    if (done) return longest;
  }
}

describe('what is asked of an item to which very many refer lets others have their turn', () => {
  const many = farmWithMany();
  const sources = ({ farm }: Many) => ({ farm, uploads: new Map<string, string>(), below: () => undefined });
  for (const [what, ask] of [
    ['who needs it', (many) => neederOf(many.farm, many.item, new Set())],
    ['whether it may be deleted with them', (many) => findNeeded(sources(many), new Set(Array(referrers + 1).keys()))],
    [
      'what keeps it',
      (many) => findKeepChain(sources(many), many.item, 0, { buildInputs: true, promised: () => false }),
    ],
  ] as [string, (many: Many) => Generator<undefined, unknown>][])
    it(what, () => {
      const before = many.looks();
      const longest = longestStep(ask(many), many.looks);
      assert.ok(many.looks() - before >= referrers);
      assert.ok(longest <= 5000, `${longest} at a time`);
    });
});
