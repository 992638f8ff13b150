import { decodePart, encodePart } from '../../adapters/snapshots/codec.ts';
import type { Farm } from '../../projections/farm.ts';
import type { Memory } from '../../projections/memory.ts';

type Parts = Memory['parts'];

/** What is kept, written and read as a snapshot has it. */
export function saveParts(parts: Parts): ReadonlyMap<string, unknown> {
  return new Map(Array.from(parts, ([name, part]) => [name, decodePart(encodePart(name, part.save()))]));
}

/** @param parts of what has folded nothing. */
export function loadParts(parts: Parts, saved: ReadonlyMap<string, unknown>): void {
  for (const [name, { load }] of parts) load(saved.get(name));
}

/** What the farm knows, written and read as a snapshot has it. */
export const saveFarm = ({ parts }: Farm): ReadonlyMap<string, unknown> => saveParts(parts);

/** All that the farm knows, to be compared. */
export function knownTo({ parts }: Farm): Record<string, unknown> {
  return Object.fromEntries(Array.from(parts, ([name, part]) => [name, structuredClone(part.save())]));
}
