import { guixSignedText } from '../../domain/guix/narinfo.ts';
import { hashOfSigned } from '../../domain/guix/packed-signature.ts';
import { guixStoreDir } from '../../domain/guix/store-dir.ts';
import type { AddedItem, ItemEvent, StoreItem, UnsignedItem } from '../../domain/item/events.ts';
import { addressesWithin } from '../../domain/limits.ts';
import { isAddressedBy, parseCa } from '../../domain/store/content-address.ts';
import { fingerprint } from '../../domain/store/fingerprint.ts';
import type { HeldItem } from '../../projections/item-details.ts';
import { createRecent } from '../../projections/recent.ts';
import type { Core } from '../core.ts';
import type { Meta } from '../ports/event-store.ts';
import type { CheckWish, FileFault } from '../ports/pool.ts';
import { addedSignatures } from './added-signatures.ts';
import type { ItemStreams } from './item-streams.ts';

/** Store items come and go: the events of `item-…` streams. */
export interface Items {
  /** With the key of the pool, and what is of `/gnu/store` with that of the cache for Guix besides. */
  sign(item: Omit<AddedItem, 'signatures'>): Promise<AddedItem>;
  /** A present item with a signature by the pool's key as it is now: what was signed by one that it had before is signed by this one as well. */
  signed(item: HeldItem): Promise<StoreItem>;
  /** Makes the NAR of a finished upload fetchable. Until {@link Items.add} its file is not removed, whoever had it before. */
  publish(upload: string, item: Pick<StoreItem, 'path' | 'file'>): Promise<void>;
  /** StoreItemAdded, unless it is there. Its NAR has to be published. */
  add(item: AddedItem, meta: Meta): void;
  /** Instead of {@link Items.add}, where what was published may be published again: its file stays for that. */
  release(file: StoreItem['file']): void;
  /** The same where there will be no item of it. */
  retract(file: StoreItem['file']): Promise<void>;
  /** Whether an item may be used now: it is available, and the pool really has its file. A file that is lost becomes StoreItemMissing (I8). */
  isServable(path: string): Promise<boolean>;
  /** Whether it is present, with bytes that were verified now or some minutes ago (I6). If they are wrong, it is missing from then on. */
  isVerified(path: string, how?: 'all' | 'recent'): Promise<boolean>;
  /**
   * Holds the file of a present item against what the log says of it. What is wrong becomes StoreItemMissing, of all items that are in
   * the file, and the file goes. `undefined` if all is right, or the item went or came anew meanwhile.
   */
  check(path: string, meta: Meta, wish?: CheckWish): Promise<Found | undefined>;
  /**
   * StoreItemUnpublished, for a present item, committed at once: it is available to no decision from now on, and its bytes stay until `until`.
   * With `now` it is deleted in the same commit. Resolves once that is durable, and bytes that go with it are gone.
   */
  unpublish(path: string, how: Unpublishing, meta: Meta): Promise<void>;
  /** The same for StoreItemDeleted, of one that is unpublished still. */
  delete(path: string, meta: Meta): Promise<void>;
  /**
   * Removes the file once what was committed so far is durable, unless an item has it or is about to, or clients may fetch it for longer than
   * `until` by a narinfo that is not served any more. Never rejects.
   */
  removeFile(file: StoreItem['file'], until?: number): Promise<void>;
  /** Whether the file with this hash has to stay: for an item, for clients that know of it, or as it is not durable yet that it goes. */
  holdsFile(hash: string): boolean;
}

export interface Unpublishing {
  readonly reason: string;
  /** Milliseconds since the Unix epoch. */
  readonly until: number;
  readonly now: boolean;
}

/** What was wrong, and the items that are missing for it: those in one file go together. */
export interface Found {
  readonly fault: FileFault;
  readonly items: readonly string[];
}

export function createItems(core: Core, streams: ItemStreams): Items {
  const { farm, writer, pool, signer, policy, logger } = core;
  const stream = (path: string): string => path.slice(0, 32);
  const coordinator: Meta = { actor: 'coordinator' };

  /** Files that are published and belong to no item yet, and removals under way: the same bytes may come while they go. */
  const publishing = new Map<string, number>();
  const removing = new Map<string, Promise<void>>();
  /** Files of items of which it is not durable yet that they go. */
  const leaving = new Map<string, number>();
  /** Publications under way; settle when their bytes are in place. */
  const arriving = new Map<string, Promise<void>>();

  const isPresent = (path: string): boolean => {
    const item = farm.graph.itemOf(path);
    return item !== undefined && farm.availability.isPresent(item);
  };

  function missing(path: string, reason: string, meta: Meta): void {
    logger.warn({ item: path }, `store item is missing: ${reason}`);
    writer.commit(
      'item',
      stream(path),
      farm.itemRevision(path),
      [{ type: 'StoreItemMissing', data: { path, reason: reason.slice(0, maxReason) } }],
      meta,
    );
  }

  /** To be called once whatever says that it goes is durable. */
  async function removeNow(file: StoreItem['file'], until?: number): Promise<void> {
    if (publishing.has(file.hash) || leaving.has(file.hash) || farm.details.byFile(file.hash) !== undefined) return;
    if (farm.unpublished.keepsFile(file.hash, until)) return;
    const removal = pool
      .remove(file)
      .catch((error: Error) =>
        logger.error({ file: file.hash, err: error }, 'a file of the pool could not be removed: the next start does'),
      )
      .finally(() => removing.delete(file.hash));
    removing.set(file.hash, removal);
    await removal;
  }

  /** Commits at once how an item goes. Resolves once that is durable and its file is gone, where no item has that any more. */
  async function end(path: string, events: readonly ItemEvent[], meta: Meta): Promise<void> {
    const file = farm.details.get(farm.graph.itemOf(path) as number)?.file;
    writer.commit('item', stream(path), farm.itemRevision(path), events, meta);
    if (file === undefined) return writer.durable();
    await leave(file.hash);
    await removeNow(file);
  }

  async function removeFile(file: StoreItem['file'], until?: number): Promise<void> {
    // What took its place may be durable only later, or never.
    const isDurable = await leave(file.hash).then(
      () => true,
      () => false,
    );
    if (isDurable) await removeNow(file, until);
  }

  /** Waits until what was committed is durable; the file is held until then. */
  async function leave(hash: string): Promise<void> {
    leaving.set(hash, (leaving.get(hash) ?? 0) + 1);
    // Held for good where that fails: by the log, which the next coordinator goes by, the item has not gone.
    await writer.durable();
    countDown(leaving, hash);
  }

  const release = (hash: string): void => countDown(publishing, hash);

  /** Whether the path is the one that its content address determines; what has none is vouched for by the build that made it. */
  function pathFault({ path, references, ca, storeDir = policy.storeDir }: UnsignedItem): FileFault | undefined {
    if (ca === undefined) return undefined;
    if (isAddressedBy({ path, references, storeDir }, parseCa(ca))) return undefined;
    const message = `expected the path that ${ca} with ${references.length} references determines, got ${path}`;
    return { kind: 'wrong-path', message };
  }

  async function check(path: string, meta: Meta, wish?: CheckWish): Promise<Found | undefined> {
    for (;;) {
      const item = farm.graph.itemOf(path);
      const details = item === undefined ? undefined : farm.details.get(item);
      if (details === undefined) return undefined;
      const revision = farm.itemRevision(path);
      const fault = pathFault(details) ?? (await pool.check(details, wish));
      if (fault === undefined || farm.itemRevision(path) !== revision) return undefined;
      const { hash } = details.file;
      const ofFile = fault.kind !== 'wrong-path' && fault.kind !== 'wrong-references';
      if (ofFile && arriving.has(hash)) {
        // The same bytes have come again, and take the place of what was found wrong.
        await arriving.get(hash);
        continue;
      }
      const reason = `${fault.kind}: ${fault.message}`;
      const gone: string[] = [];
      const lose = (lost: string): void => {
        // What was unpublished was to go anyhow.
        if (isPresent(lost)) gone.push(lost);
        missing(lost, reason, meta);
      };
      lose(path);
      if (ofFile)
        for (let other = farm.details.byFile(hash); other !== undefined; other = farm.details.byFile(hash))
          lose(farm.graph.itemPath(other));
      await leave(hash);
      await removeNow(details.file, Number.POSITIVE_INFINITY);
      return { fault, items: gone };
    }
  }

  function signatureOf(item: Omit<AddedItem, 'signatures'>): Promise<string> {
    const { path, narHash, narSize, references, storeDir = policy.storeDir } = item;
    return signer.sign(fingerprint({ storePath: `${storeDir}/${path}`, narHash, narSize, references }));
  }

  /** `undefined` of what is not of `/gnu/store`. */
  async function guixSignatureOf(item: Omit<AddedItem, 'signatures'>): Promise<string | undefined> {
    const { path, storeDir = policy.storeDir } = item;
    if (storeDir !== guixStoreDir) return undefined;
    return signer.signForGuix?.(hashOfSigned(guixSignedText({ ...item, storePath: `${storeDir}/${path}` })));
  }

  /** Signatures that were made or read not long ago, by how the one of the event begins, which no other does. */
  const known = createRecent<string, readonly string[]>(mostSignatures);

  /** What the event has, and one by the key of now. */
  async function signaturesOf(item: HeldItem): Promise<readonly string[]> {
    const { signed } = item;
    if ('all' in signed) return withOwn(signed.all, await signatureOf(item));
    const kept = known.get(signed.begins);
    if (kept !== undefined) return kept;
    const own = await signatureOf(item);
    const all = own.startsWith(signed.begins) ? [own] : withOwn(await addedSignatures(core, item), own);
    known.set(signed.begins, all);
    return all;
  }

  return {
    async sign(item) {
      const [signature, guixSignature] = await Promise.all([signatureOf(item), guixSignatureOf(item)]);
      return { ...item, signatures: [signature], ...(guixSignature !== undefined && { guixSignature }) };
    },
    async signed(held) {
      const { signed: _, ...item } = held;
      return { ...item, signatures: [...(await signaturesOf(held))] };
    },
    async publish(upload, { path, file: { hash } }) {
      publishing.set(hash, (publishing.get(hash) ?? 0) + 1);
      // Where the old one could not be removed, the new one takes its place all the same.
      const removed = removing.get(hash) ?? Promise.resolve();
      const arrival = removed.then(() => pool.publish(upload));
      const settled = arrival.catch(() => undefined);
      arriving.set(hash, settled);
      try {
        await arrival;
        await streams.look([path]);
      } catch (error) {
        release(hash);
        throw error;
      } finally {
        if (arriving.get(hash) === settled) arriving.delete(hash);
      }
    },
    add(item, meta) {
      release(item.file.hash);
      if (isPresent(item.path)) return;
      const { addresses = [], ...data } = item;
      const within = addressesWithin(addresses, item.references, policy.maxCommitBytes);
      writer.commit(
        'item',
        stream(item.path),
        streams.revision(item.path),
        [{ type: 'StoreItemAdded', data: { ...data, ...(within.length > 0 && { addresses: [...within] }) } }],
        meta,
      );
    },
    release: ({ hash }) => release(hash),
    retract(file) {
      release(file.hash);
      return removeFile(file);
    },
    async isServable(path) {
      const item = farm.graph.itemOf(path);
      if (item === undefined || !farm.availability.isAvailable(item)) return false;
      const details = farm.details.get(item);
      if (details && (await pool.has(details.file))) return true;
      await check(path, coordinator, { how: 'size' });
      // Its number may be another's by now.
      const now = farm.graph.itemOf(path);
      return now !== undefined && farm.availability.isAvailable(now);
    },
    async isVerified(path, how = 'recent') {
      if (!isPresent(path)) return false;
      await check(path, coordinator, { how });
      return isPresent(path);
    },
    check,
    unpublish(path, { reason, until, now }, meta) {
      const unpublished = { type: 'StoreItemUnpublished', data: { path, reason, until } } as const;
      const deleted = { type: 'StoreItemDeleted', data: { path, reason } } as const;
      return end(path, now ? [unpublished, deleted] : [unpublished], meta);
    },
    async delete(path, meta) {
      const item = farm.graph.itemOf(path);
      const reason = item === undefined ? undefined : farm.unpublished.get(item)?.reason;
      if (reason !== undefined) await end(path, [{ type: 'StoreItemDeleted', data: { path, reason } }], meta);
    },
    removeFile,
    holdsFile: (hash) =>
      farm.details.byFile(hash) !== undefined || farm.unpublished.keepsFile(hash) || leaving.has(hash),
  };
}

/** Those that are kept for certain, some 250 bytes each: to make one takes the signing thread some 90 µs, half of what a narinfo takes besides. */
const mostSignatures = 10_000;

const withOwn = (before: readonly string[], own: string): readonly string[] =>
  before.includes(own) ? before : [...before, own];

/** What the event takes. */
const maxReason = 4096;

function countDown(counts: Map<string, number>, key: string): void {
  const left = (counts.get(key) ?? 0) - 1;
  if (left > 0) counts.set(key, left);
  else counts.delete(key);
}
