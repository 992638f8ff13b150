import type { ItemEvent } from '../../domain/item/events.ts';
import { hashPart } from './derivation-writes.ts';
import type { Write } from './write.ts';

export const addItem = `
INSERT INTO items (hash, path, store_dir, nar_hash, nar_size, refs, deriver, ca, file_hash, file_size, compression, signatures, guix_signature, added_at, added_by)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
ON CONFLICT (hash) DO UPDATE SET
  store_dir = excluded.store_dir,
  nar_hash = excluded.nar_hash,
  nar_size = excluded.nar_size,
  refs = excluded.refs,
  deriver = excluded.deriver,
  ca = excluded.ca,
  file_hash = excluded.file_hash,
  file_size = excluded.file_size,
  compression = excluded.compression,
  signatures = excluded.signatures,
  guix_signature = excluded.guix_signature,
  added_at = excluded.added_at,
  added_by = excluded.added_by,
  unpublished_at = NULL,
  unpublished_until = NULL,
  unpublished_by = NULL,
  unpublished_reason = NULL`;

/** Of what is not there nothing is known. */
export const unpublishItem = `
UPDATE items SET unpublished_at = ?2, unpublished_until = ?3, unpublished_by = ?4, unpublished_reason = ?5
WHERE hash = ?1`;

/** Those that it had before it was added again, with other bytes perhaps. */
export const clearAddresses = 'DELETE FROM item_addresses WHERE hash = ?1';
export const addAddress = 'INSERT OR IGNORE INTO item_addresses (address, hash) VALUES (?1, ?2)';

export const removeItem = 'DELETE FROM items WHERE hash = ?1';

/** @param at when the event was stored, milliseconds since the Unix epoch; `actor` whose token brought it. */
export function itemWrites(event: ItemEvent, at: number, actor: string): readonly Write[] {
  const hash = hashPart(event.data.path);
  if (event.type === 'StoreItemUnpublished') {
    const { until, reason } = event.data;
    return [{ sql: unpublishItem, values: [hash, at, until, actor, reason] }];
  }
  // What only an upstream has is not of the pool.
  if (event.type === 'StoreItemFoundUpstream' || event.type === 'StoreItemLostUpstream') return [];
  if (event.type !== 'StoreItemAdded') return [{ sql: removeItem, values: [hash] }];
  const {
    path,
    storeDir,
    narHash,
    narSize,
    references,
    deriver,
    ca,
    file,
    signatures,
    guixSignature = null,
  } = event.data;
  const refs = references.join(' ');
  const optional = [deriver ?? null, ca ?? null];
  const stored = [file.hash, file.size, file.compression, JSON.stringify(signatures), guixSignature];
  return [
    { sql: addItem, values: [hash, path, storeDir ?? null, narHash, narSize, refs, ...optional, ...stored, at, actor] },
    { sql: clearAddresses, values: [hash] },
    ...(event.data.addresses ?? []).map((address) => ({ sql: addAddress, values: [address, hash] })),
  ];
}
