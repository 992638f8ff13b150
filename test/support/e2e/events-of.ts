import assert from 'node:assert/strict';
import type { EventMatch } from './event-feed.ts';
import type { Farm } from './farm.ts';

export const isAgent =
  (name: string): EventMatch =>
  ({ stream }) =>
    stream === `agent-${name}`;

export const isBuild =
  (id: string): EventMatch =>
  ({ stream }) =>
    stream === `build-${id}`;

/** How many events of a type a build has so far. */
export function countOf(farm: Farm, type: string, id: string): number {
  return farm.feed.events.filter((event) => event.type === type && event.stream === `build-${id}`).length;
}

/** Waits until the build of a derivation has succeeded, at its first attempt, which nobody took back. Gives its id. */
export async function expectOneAttempt(farm: Farm, name: string): Promise<string> {
  const id = await farm.buildOf(name);
  const success = await farm.next('BuildSucceeded', isBuild(id));
  assert.equal(success.data.attempt, 1, name);
  assert.equal(countOf(farm, 'BuildAllocated', id), 1, `${name}: allocated once`);
  assert.equal(countOf(farm, 'BuildReleased', id), 0, `${name}: never taken back`);
  return id;
}
