import type { ItemEvent } from '../domain/item/events.ts';
import type { Item } from './graph.ts';
import { createMemory, type Memory } from './memory.ts';

/** How a store item went that had been there. */
export interface Loss {
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  /** `deleted`: somebody decided so; `missing`: its file was found to be away or damaged, or the upstream that had it has not any more. */
  readonly how: 'deleted' | 'missing';
  readonly reason: string;
  /** Who did it: id of a token, or what in the coordinator; and what the token is called, where that is told. Older coordinators do not say. */
  readonly by?: string;
  readonly name?: string;
}

/** When and why items went that no derivation makes: nothing but the log knows that somebody had sent them. */
export interface Losses {
  get(item: Item): Loss | undefined;
  apply(item: Item, event: ItemEvent, at: number, by: string): void;
  forget(item: Item): void;
}

/** @param isMade whether a derivation makes the item: then it is built again, and how it went is of no use. */
export function createLosses(isMade: (item: Item) => boolean, memory: Memory = createMemory()): Losses {
  const losses = memory.map<Item, Loss>('losses');
  return {
    get: (item) => losses.get(item),
    forget: (item) => void losses.delete(item),
    apply(item, event, at, by) {
      if (event.type === 'StoreItemAdded' || event.type === 'StoreItemFoundUpstream') losses.delete(item);
      // What was unpublished is lost from then on, whatever becomes of its bytes.
      else if (!isMade(item) && !losses.has(item))
        losses.set(item, {
          at,
          how: event.type === 'StoreItemMissing' || event.type === 'StoreItemLostUpstream' ? 'missing' : 'deleted',
          reason: event.data.reason,
          by,
        });
    },
  };
}

/** `was deleted by ops (t-1) at … (…)`; by what in the coordinator it went says nothing to people. */
export function describeLoss({ at, how, reason, by, name }: Loss): string {
  const who = how === 'missing' || name === undefined ? '' : ` by ${name} (${by})`;
  return `${how === 'deleted' ? `was deleted${who}` : 'went missing'} at ${new Date(at).toISOString()} (${reason})`;
}
