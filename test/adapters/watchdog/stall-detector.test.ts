import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createStallDetector, looksInARow } from '../../../adapters/watchdog/stall-detector.ts';

describe('the stall detector', () => {
  it('finds a main thread that computes and does not answer, once that has been seen often enough', () => {
    const stalled = createStallDetector(10);
    const found = Array.from({ length: 12 }, (_, look) => stalled({ beats: 5, cpuSeconds: 100 + look * 2 }));
    assert.deepEqual(found.slice(0, looksInARow), Array(looksInARow).fill(undefined));
    assert.equal(found[looksInARow], 2 * looksInARow);
  });
  it('begins anew at each answer', () => {
    const stalled = createStallDetector(10);
    for (let look = 0; look < 100; look++)
      assert.equal(stalled({ beats: Math.floor(look / looksInARow), cpuSeconds: look * 5 }), undefined);
  });
  it('blames nobody who had no chance: stopped, suspended with the machine, or starved of the processor', () => {
    const stalled = createStallDetector(10);
    for (let look = 0; look < 1000; look++) assert.equal(stalled({ beats: 1, cpuSeconds: look * 0.009 }), undefined);
    // It goes on and still does not answer.
    assert.ok(stalled({ beats: 1, cpuSeconds: 10 }) !== undefined);
  });
  it('takes one long look for no proof, however much was computed before it', () => {
    const stalled = createStallDetector(10);
    stalled({ beats: 1, cpuSeconds: 0 });
    for (let look = 1; look < looksInARow; look++) assert.equal(stalled({ beats: 1, cpuSeconds: 1000 }), undefined);
    assert.equal(stalled({ beats: 2, cpuSeconds: 1000 }), undefined);
  });
});
