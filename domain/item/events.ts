import * as z from 'zod';
import {
  baseName,
  count,
  defineEvent,
  type EventOf,
  identifier,
  instant,
  otherStoreDir,
  sha256Text,
  shortText,
} from '../event.ts';
import { packedSignature } from '../guix/packed-signature.ts';

/** What the pool holds for one store item, and what its narinfo says. */
export const storeItem = z.object({
  path: baseName,
  /** Where its path is, and those that it refers to, where that is not the first one of the coordinator. */
  storeDir: otherStoreDir,
  narHash: sha256Text,
  narSize: z.int().min(1),
  /** Base names, sorted; the item itself included where it refers to itself. */
  references: z.array(baseName),
  deriver: baseName.optional(),
  /** Content address, for sources and fixed outputs: `text:sha256:…`, `fixed:[r:]<algorithm>:…`. */
  ca: z.string().optional(),
  file: z.object({ hash: sha256Text, size: count, compression: z.enum(['none', 'zstd']) }),
  /** `<key name>:<base64>` over the Nix fingerprint. */
  signatures: z.array(z.string()),
  /**
   * Of an item of `/gnu/store`, by the key of the cache for Guix: its public point, `r` and `s`, 32 bytes each, in base64, over the lines of the
   * narinfo from StorePath to Deriver.
   */
  guixSignature: z.string().regex(packedSignature, 'expected 96 bytes in base64').optional(),
});
export type StoreItem = z.infer<typeof storeItem>;
/** All of it that signatures are made over, and its file. */
export type UnsignedItem = Omit<StoreItem, 'signatures'>;

/** Most further addresses of an item: no package has debug information of so many files. */
export const maxAddresses = 4096;
const addedItem = storeItem.extend({
  /** Where else in the cache something leads to it: `nar/…`, the name under which its NAR was sent, `debuginfo/<build id>`. */
  addresses: z.array(z.string().max(128)).max(maxAddresses).optional(),
});
export type AddedItem = z.infer<typeof addedItem>;

export const StoreItemAdded = defineEvent(
  'StoreItemAdded',
  'A NAR is durable in the pool and was verified.',
  addedItem,
);
export const StoreItemUnpublished = defineEvent(
  'StoreItemUnpublished',
  'An operator or the collector decided that the item goes: it is not available from now on, and its narinfo is not served. Its NAR can be fetched by the name of its file until `until`, for clients that have the narinfo; then the item is deleted, unless it is added again before.',
  z.object({ path: baseName, reason: shortText, until: instant }),
);
export const StoreItemDeleted = defineEvent(
  'StoreItemDeleted',
  'The item is gone, and its NAR with it, unless another item has the same file. What was unpublished before was not available any more; older versions deleted at once.',
  z.object({ path: baseName, reason: shortText }),
);
export const StoreItemMissing = defineEvent(
  'StoreItemMissing',
  'The pool was found not to hold, or to hold damaged, what it should.',
  z.object({ path: baseName, reason: shortText }),
);

/** What an upstream says of one store item, in a narinfo that was signed by one of its keys. */
export const upstreamItem = storeItem.omit({ file: true, guixSignature: true }).extend({
  /** Name of the `[[upstream]]` in the configuration. */
  upstream: identifier,
  /** Where the upstream has the NAR, as its narinfo says: relative to its own address, or absolute. */
  url: z.string().min(1).max(2048),
  /** Of that file: `none`, `xz`, `zstd` … */
  compression: z.string().min(1).max(32),
  /** When it is asked again, in milliseconds since the Unix epoch. */
  expires: instant,
});
export type UpstreamItem = z.infer<typeof upstreamItem>;

export const StoreItemFoundUpstream = defineEvent(
  'StoreItemFoundUpstream',
  'An upstream has the item, signed by one of its keys, and all that it refers to is available: it is available as well, until the upstream is found not to have it any more. From `expires` on the upstream is asked again. Of no consequence while the pool has the item.',
  upstreamItem,
);
export const StoreItemLostUpstream = defineEvent(
  'StoreItemLostUpstream',
  'An upstream does not have the item any more, or cannot give what it said: unless the pool has it, the item is not available from now on. Until `until` the upstream is not believed to have it, and then not before it has given all of it to the coordinator.',
  z.object({ path: baseName, upstream: identifier, reason: shortText, until: instant.optional() }),
);

export const itemEvents = [
  StoreItemAdded,
  StoreItemUnpublished,
  StoreItemDeleted,
  StoreItemMissing,
  StoreItemFoundUpstream,
  StoreItemLostUpstream,
] as const;
export type ItemEvent = EventOf<(typeof itemEvents)[number]>;
