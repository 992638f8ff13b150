import type { StoreItem } from '../../domain/item/events.ts';
import type { HeldItem } from '../../projections/item-details.ts';

/** The item as a farm has it that keeps its signatures as they are. */
export function heldItem({ signatures, ...item }: StoreItem): HeldItem {
  return { ...item, signed: { all: signatures } };
}
