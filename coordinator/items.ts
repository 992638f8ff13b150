import type { StoreItem } from '../domain/item/events.ts';
import { fingerprint } from '../domain/store/fingerprint.ts';
import type { Core } from './core.ts';
import { DroverError } from './errors.ts';
import type { Meta } from './ports/event-store.ts';

/** Store items come and go: the events of `item-…` streams. */
export interface Items {
  sign(item: Omit<StoreItem, 'signatures'>): Promise<StoreItem>;
  /** Makes the NAR of a finished upload fetchable. Until {@link Items.add} its file is not removed, whoever had it before. */
  publish(upload: string, file: StoreItem['file']): Promise<void>;
  /** StoreItemAdded, unless it is there. Its NAR has to be published. */
  add(item: StoreItem, meta: Meta): void;
  /** Whether an item may be used now: it is available, and the pool really has its file. A file that is lost becomes StoreItemMissing (I8). */
  isServable(path: string): Promise<boolean>;
  missing(path: string, reason: string, meta: Meta): void;
  delete(path: string, reason: string, meta: Meta): Promise<void>;
}

export function createItems(core: Core): Items {
  const { farm, writer, pool, signer, policy, logger } = core;
  const fullPath = (base: string): string => `${policy.storeDir}/${base}`;
  const stream = (path: string): string => path.slice(0, 32);

  /** Files that are published and belong to no item yet, and removals under way: the same bytes may come while they go. */
  const publishing = new Map<string, number>();
  const removing = new Map<string, Promise<void>>();

  function itemOf(path: string): number {
    const item = farm.graph.itemOf(path);
    if (item === undefined || !farm.availability.isPresent(item))
      throw new DroverError('unknown-item', `there is no store item ${path}`);
    return item;
  }

  function missing(path: string, reason: string, meta: Meta): void {
    const item = farm.graph.itemOf(path);
    if (item === undefined || !farm.availability.isPresent(item)) return;
    logger.warn({ item: path }, `store item is missing: ${reason}`);
    writer.commit(
      'item',
      stream(path),
      farm.itemRevision(path),
      [{ type: 'StoreItemMissing', data: { path, reason } }],
      meta,
    );
  }

  return {
    async sign(item) {
      const { narHash, narSize } = item;
      const text = fingerprint({
        storePath: fullPath(item.path),
        narHash,
        narSize,
        references: item.references.map(fullPath),
      });
      return { ...item, signatures: [await signer.sign(text)] };
    },
    async publish(upload, file) {
      publishing.set(file.hash, (publishing.get(file.hash) ?? 0) + 1);
      await removing.get(file.hash);
      await pool.publish(upload);
    },
    add(item, meta) {
      const claims = (publishing.get(item.file.hash) ?? 0) - 1;
      if (claims > 0) publishing.set(item.file.hash, claims);
      else publishing.delete(item.file.hash);
      const known = farm.graph.itemOf(item.path);
      if (known !== undefined && farm.availability.isPresent(known)) return;
      writer.commit(
        'item',
        stream(item.path),
        farm.itemRevision(item.path),
        [{ type: 'StoreItemAdded', data: item }],
        meta,
      );
    },
    async isServable(path) {
      const item = farm.graph.itemOf(path);
      if (item === undefined || !farm.availability.isAvailable(item)) return false;
      const details = farm.details.get(item);
      if (details && (await pool.has(details.file))) return true;
      missing(path, 'the pool does not have its file', { actor: 'coordinator' });
      return false;
    },
    missing,
    async delete(path, reason, meta) {
      const file = farm.details.get(itemOf(path))?.file;
      writer.commit(
        'item',
        stream(path),
        farm.itemRevision(path),
        [{ type: 'StoreItemDeleted', data: { path, reason } }],
        meta,
      );
      await writer.durable();
      // Bytes go after the event; another item may have the same file.
      if (!file || publishing.has(file.hash) || farm.details.byFile(file.hash) !== undefined) return;
      const removal = pool.remove(file).finally(() => removing.delete(file.hash));
      removing.set(file.hash, removal);
      await removal;
    },
  };
}
