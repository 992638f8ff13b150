import type { ItemEvent } from '../../domain/item/events.ts';
import { hashPart } from './derivation-writes.ts';
import type { Tables } from './tables.ts';

export const addItem = `
INSERT OR IGNORE INTO items (hash, path, store_dir, nar_hash, nar_size, refs, deriver, ca, file_hash, file_size, compression, signatures, guix_signature, added_at, added_by)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)`;

/** What is there is added again, with other bytes perhaps. */
export const replaceItem = `
UPDATE items SET
  path = ?2,
  store_dir = ?3,
  nar_hash = ?4,
  nar_size = ?5,
  refs = ?6,
  deriver = ?7,
  ca = ?8,
  file_hash = ?9,
  file_size = ?10,
  compression = ?11,
  signatures = ?12,
  guix_signature = ?13,
  added_at = ?14,
  added_by = ?15,
  unpublished_at = NULL,
  unpublished_until = NULL,
  unpublished_by = NULL,
  unpublished_reason = NULL
WHERE hash = ?1`;

/** Of what is not there nothing is known. */
export const unpublishItem = `
UPDATE items SET unpublished_at = ?2, unpublished_until = ?3, unpublished_by = ?4, unpublished_reason = ?5
WHERE hash = ?1`;

/** Those that it had before it was added again. */
export const clearAddresses = 'DELETE FROM item_addresses WHERE hash = ?1';
export const addAddress = 'INSERT OR IGNORE INTO item_addresses (address, hash) VALUES (?1, ?2)';

export const removeItem = 'DELETE FROM items WHERE hash = ?1';

/** @param at when the event was stored, milliseconds since the Unix epoch; `actor` whose token brought it. */
export function writeItem(tables: Tables, event: ItemEvent, at: number, actor: string): void {
  const hash = hashPart(event.data.path);
  switch (event.type) {
    case 'StoreItemAdded':
      return add(tables, event.data, hash, at, actor);
    case 'StoreItemUnpublished': {
      const { until, reason } = event.data;
      tables.run(unpublishItem, [hash, at, until, actor, reason]);
      return;
    }
    case 'StoreItemDeleted':
    case 'StoreItemMissing':
      tables.run(removeItem, [hash]);
      return;
    case 'StoreItemFoundUpstream':
    case 'StoreItemLostUpstream':
      // What only an upstream has is not of the pool.
      return;
  }
}

function add(
  tables: Tables,
  data: Extract<ItemEvent, { type: 'StoreItemAdded' }>['data'],
  hash: string,
  at: number,
  actor: string,
): void {
  const { path, storeDir, narHash, narSize, references, deriver, ca, file, signatures, guixSignature = null } = data;
  const refs = references.join(' ');
  const optional = [deriver ?? null, ca ?? null];
  const stored = [file.hash, file.size, file.compression, JSON.stringify(signatures), guixSignature];
  const values = [hash, path, storeDir ?? null, narHash, narSize, refs, ...optional, ...stored, at, actor];
  if (tables.run(addItem, values) === 0) {
    tables.run(replaceItem, values);
    tables.run(clearAddresses, [hash]);
  }
  for (const address of data.addresses ?? []) tables.run(addAddress, [address, hash]);
}
