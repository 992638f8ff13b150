import { DroverProblem } from '../../client/errors.ts';
import type { Http } from '../../client/http.ts';
import { guixStoreDir } from '../../domain/guix/store-dir.ts';
import { narinfoType } from '../../domain/store/narinfo.ts';
import { FolderError } from './folder-error.ts';
import { narinfoForFoldersType } from './guix-signature-field.ts';
import { readSmall } from './read-small.ts';

/** The cache of a coordinator that a folder is to have, which is of one store directory. */
export interface ServedCache {
  /** Text of `nix-cache-info`. */
  readonly info: string;
  /** Whether it is of this cache; events and lists name no store directory but those that are not the coordinator's first. */
  isOf(item: { readonly storeDir?: string | undefined }): boolean;
  narinfo(hashPart: string, signal?: AbortSignal): Promise<string>;
}

/** Where caches of a coordinator may be that has several store directories, by its address; that of the first is at its root. */
const roots = ['', 'guix/', 'nix/'] as const;

/**
 * Finds the cache that a plain folder has, that of the coordinator's first store directory, or the one for Guix, whose narinfos come with what
 * guix publish has to have.
 *
 * @throws FolderError where there is none
 */
export async function findServedCache(drover: Http, forGuix: boolean, signal?: AbortSignal): Promise<ServedCache> {
  for (const root of roots) {
    const info = await readSmall(drover, `/${root}nix-cache-info`, { signal }).catch((error: unknown) => {
      if (root !== '' && error instanceof DroverProblem && error.status === 404) return undefined;
      throw error;
    });
    const storeDir = info === undefined ? undefined : (/^StoreDir: (.*)$/m.exec(info)?.[1] ?? '/nix/store');
    if (info === undefined || (forGuix && storeDir !== guixStoreDir)) continue;
    return {
      info,
      isOf: (item) => (root === '' ? [undefined, storeDir] : [storeDir]).includes(item.storeDir),
      narinfo: (hashPart, signal) =>
        readSmall(drover, `/${root}${hashPart}.narinfo`, {
          accept: forGuix ? narinfoForFoldersType : narinfoType,
          signal,
        }),
    };
  }
  throw new FolderError(
    `expected a coordinator with a cache of ${guixStoreDir} for the layout of guix publish, got one without (its setting other-store-dirs)`,
  );
}
