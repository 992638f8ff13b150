import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { toEnd, type Use } from '../../../adapters/moments/room.ts';

const now = 1_000_000;
/** @param users seconds since each was answered; @param holds since each is being answered */
const use = (users: Record<string, number>, holds: Record<string, number> = {}): Use => ({
  users: new Map(Object.entries(users).map(([by, ago]) => [by, now - ago * 1000])),
  holds: Object.entries(holds).map(([by, ago]) => ({ by, since: now - ago * 1000 })),
});

describe('room for another moment', () => {
  it('is made by the end of the one that nobody has asked for longest', () => {
    const [one, two] = [use({ a: 20 }), use({ a: 10 })];
    assert.equal(toEnd([two, one], 'a', now), one);
    assert.equal(toEnd([use({ a: 1 }), two], 'a', now), two);
    assert.equal(toEnd([use({ a: 1 }), use({ a: 90 }, { a: 5 })], 'a', now), undefined);
  });

  it('is not kept by who follows something for good', () => {
    const followed = use({}, { a: 3600 });
    assert.equal(toEnd([followed, use({ b: 1 })], 'c', now), followed);
    assert.equal(toEnd([followed, use({ a: 1 })], 'a', now), followed);
  });

  it('is not made at others where somebody has one, as long as they may be reading', () => {
    const [mine, read, left] = [use({ a: 1 }), use({ b: 30 }), use({ b: 61 })];
    assert.equal(toEnd([mine, read], 'a', now), undefined);
    assert.equal(toEnd([mine, left], 'a', now), left);
    assert.equal(toEnd([use({ a: 5 }), read], 'a', now)?.users.has('a'), true);
    assert.equal(toEnd([mine, read], 'c', now), read);
  });

  it('is made at who uses several, for who uses none', () => {
    const [old, young, other] = [use({ a: 1 }, { a: 3 }), use({ a: 0.5 }), use({ b: 1.5 })];
    assert.equal(toEnd([other, young, old], 'c', now), old);
    assert.equal(toEnd([other, young, old], 'b', now), undefined);
    assert.equal(toEnd([young, other], 'c', now), undefined);
    // Somebody else reads there as well.
    assert.equal(toEnd([use({ a: 1, b: 1 }), young], 'c', now), undefined);
  });
});
