import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { noNix } from '../nix-store.ts';
import { type Farm, type FarmOptions, startFarm } from './farm.ts';
import { noMounting } from './mounting.ts';
import { takeUnhandled } from './process.ts';

/**
 * No test waits for time; this ends one that waits for what does not come, and says what that is. Looked at so often: where nothing has
 * happened since the last look, however slow the machine, nothing will.
 */
const lookMs = 120_000;

/** Why there can be no real farm here, or false. */
export const noRealFarm: string | false = noNix;

/** Ends a test that stands still, and has a failure come with what the farm did. */
export async function limited(name: string, farm: Farm, body: Promise<void>): Promise<void> {
  const limit = Promise.withResolvers<never>();
  let before = farm.progress();
  const timer = setInterval(() => {
    const now = farm.progress();
    if (now === before) limit.reject(new Error('the farm stands still'));
    before = now;
  }, lookMs);
  try {
    await Promise.race([body, limit.promise]);
    assert.deepEqual(takeUnhandled(), [], 'no process ended by an error that nobody handled');
  } catch (error) {
    console.error(`${name}\n${farm.report()}`);
    throw error;
  } finally {
    clearInterval(timer);
  }
}

/** A test with a farm of its own, which is gone afterwards; a failure comes with what the farm did. */
export function e2e(
  name: string,
  options: FarmOptions,
  body: (farm: Farm, context: TestContext) => Promise<void>,
): void {
  test(name, { skip: noNix || (options.diskMiB !== undefined && noMounting) }, async (context) => {
    await using farm = await startFarm(options);
    await limited(name, farm, body(farm, context));
  });
}
