import { hashPartLength } from '../../domain/store/store-path.ts';
import type { HeldItem } from '../../projections/item-details.ts';
import type { Core } from '../core.ts';
import { decodeEvent } from '../log/event-codec.ts';

/**
 * The signatures that an item came with, from the log: the farm does not keep all of one by a key that the pool has no more. What such a key has signed
 * a coordinator before this one has added, so that it is durable.
 *
 * @returns none where the log has no such event that is understood
 */
export async function addedSignatures(
  { log }: Pick<Core, 'log'>,
  { path, signed }: HeldItem,
): Promise<readonly string[]> {
  if ('all' in signed) return signed.all;
  const isIt = (signature: string): boolean => signature.startsWith(signed.begins);
  for await (const stored of log.read(`item-${path.slice(0, hashPartLength)}`, { backward: true })) {
    const event = decodeEvent(stored);
    if (!event.known || event.type !== 'StoreItemAdded' || event.data.path !== path) continue;
    if (event.data.signatures.some(isIt)) return event.data.signatures;
  }
  return [];
}
