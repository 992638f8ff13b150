import { decodePart, encodePart } from '../../adapters/snapshots/codec.ts';
import type { Farm } from '../../projections/farm.ts';

/** What the farm knows, written and read as a snapshot has it. */
export function saveFarm({ parts }: Farm): ReadonlyMap<string, unknown> {
  return new Map(Array.from(parts, ([name, part]) => [name, decodePart(encodePart(name, part.save()))]));
}

/** @param farm one that has folded nothing. */
export function loadFarm({ parts }: Farm, saved: ReadonlyMap<string, unknown>): void {
  for (const [name, { load }] of parts) load(saved.get(name));
}

/** All that the farm knows, to be compared. */
export function knownTo({ parts }: Farm): Record<string, unknown> {
  return Object.fromEntries(Array.from(parts, ([name, part]) => [name, structuredClone(part.save())]));
}
