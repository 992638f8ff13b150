import { resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import type { HookDelivery } from '../../coordinator/ports/hook-transport.ts';
import { guixStoreDir } from '../../domain/guix/store-dir.ts';
import type { CacheFolderSettings } from '../../domain/hook/target.ts';
import { sourceOf } from '../http/event-envelope.ts';
import type { FolderForm } from '../mirror/folder-form.ts';
import type { FolderTask } from '../mirror/folder-writer.ts';
import { createFolderClient, type FolderAnswers, type FolderClient } from './folder-client.ts';
import type { DeliveryTo, HookKind } from './kind.ts';
import { folderProblem } from './target-problem.ts';

/** The coordinator's own cache, as folders are filled from it. */
export interface OwnCache extends Omit<FolderAnswers, 'say'> {
  /** Text of `nix-cache-info`. */
  readonly info: string;
  /** The first is that of plain caches. */
  readonly storeDirs: readonly string[];
  /** Folder of the pool. */
  readonly pool: string;
  /** Folders of the coordinator that no hook may write to. */
  readonly folders: readonly string[];
}

type FolderKind = HookKind<'publish'> &
  HookKind<'mirror'> & {
    /** Lets the folder go, which is locked otherwise for as long as there may be more to do. */
    release(folder: string): void;
  };

/**
 * Keeps folders as binary caches, of what builds make (`publish`) or of all that the coordinator has (`mirror`). What is to be in a
 * folder is what the cache serves when an event is looked at, so that a repeat changes nothing and order between streams does not matter.
 * Hooks with the same folder share it.
 */
export function createCacheFolderTransport(cache: OwnCache, logger: Logger): FolderKind & AsyncDisposable {
  const clients = new Map<string, { readonly client: FolderClient; readonly form: FolderForm }>();

  function clientOf(target: CacheFolderSettings, log: string): FolderClient {
    const folder = resolve(target.folder);
    const form = formOf(target, cache.storeDirs);
    const known = clients.get(folder);
    if (known && isDeepStrictEqual(known.form, form)) return known.client;
    if (known && !known.client.rest())
      throw new Error(`${folder} is still written to with other settings; it is tried again`);
    const open = { kind: 'open', folder, log: sourceOf(log), form, cacheInfo: cache.info, pool: cache.pool } as const;
    const say = (message: string): void => logger.warn({ folder }, message);
    const client = createFolderClient(open, { ...cache, say });
    clients.set(folder, { client, form });
    return client;
  }

  return {
    async deliver(delivery: DeliveryTo<'publish'> | DeliveryTo<'mirror'>, signal: AbortSignal) {
      const problem = folderProblem(delivery.target, cache);
      if (problem !== undefined) return { ok: false, error: problem };
      if (signal.aborted) return { ok: false, error: 'ended before it began' };
      const task = taskOf(delivery);
      const ended = Promise.withResolvers<never>();
      const end = (): void =>
        ended.reject(new Error('ended; what it was at goes on, and the next attempt finds it there'));
      signal.addEventListener('abort', end, { once: true });
      try {
        const client = clientOf(delivery.target, delivery.log);
        await Promise.race([client.apply(task, delivery.begun), ended.promise]);
        return changesNothing(task, delivery) ? { ok: true, note: 'nothing of it is for the folder' } : { ok: true };
      } catch (error) {
        return { ok: false, error: (error as Error).message };
      } finally {
        signal.removeEventListener('abort', end);
      }
    },
    release: (folder) => void clients.get(resolve(folder))?.client.rest(),
    async [Symbol.asyncDispose]() {
      await Promise.all(Array.from(clients.values(), ({ client }) => client[Symbol.asyncDispose]()));
    },
  };
}

function formOf({ layout, compressions }: CacheFolderSettings, [first = '']: readonly string[]): FolderForm {
  if (layout !== 'guix-publish') return { storeDir: first };
  return { storeDir: guixStoreDir, compressions: compressions ?? ['zstd'] };
}

/** Whether nothing comes into the folder by it, nor goes. */
function changesNothing({ wanted, changed }: FolderTask, { event }: HookDelivery): boolean {
  const isThereNow = event.type === 'StoreItemAdded' || event.type === 'StoreItemFoundUpstream';
  return wanted.length === 0 && (changed === undefined || isThereNow);
}

/** One that changes nothing still sees to it that the folder is there from the first delivery on. */
function taskOf({ event, facts, target, wanted }: HookDelivery): FolderTask {
  switch (event.type) {
    case 'BuildSucceeded':
    case 'BuildSatisfied':
      return { wanted: wanted ? (facts.outputs ?? []) : [] };
    case 'StoreItemAdded':
    case 'StoreItemUnpublished':
    case 'StoreItemDeleted':
    case 'StoreItemMissing':
    case 'StoreItemFoundUpstream': {
      const { path: changed } = event.data as { readonly path: string };
      if (event.type === 'StoreItemAdded')
        return { changed, wanted: target.kind === 'mirror' && wanted ? [changed] : [] };
      if (event.type === 'StoreItemUnpublished') {
        const { until } = event.data as { readonly until: number };
        return { changed, wanted: [], staysMs: until - event.at };
      }
      return { changed, wanted: [], ...(event.type === 'StoreItemDeleted' && { deleted: true }) };
    }
    default:
      return { wanted: [] };
  }
}
