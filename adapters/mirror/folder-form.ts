import { type CacheFolder, openCacheFolder } from './cache-folder.ts';
import { openGuixPublishFolder } from './guix-publish-folder.ts';

/** What a folder is like. */
export interface FolderForm {
  /** What is of another one is not for it. */
  readonly storeDir: string;
  /** Of its NARs, as guix publish takes them, where it is in that layout; a plain binary cache if absent. */
  readonly compressions?: readonly string[];
}

/** Opens or makes a folder of that form. @param use to `read`, nothing is changed: somebody else may be writing */
export const openFolder = (
  path: string,
  { compressions }: { readonly compressions?: FolderForm['compressions'] | undefined },
  use: 'read' | 'write' = 'write',
): Promise<CacheFolder> => (compressions ? openGuixPublishFolder(path, compressions, use) : openCacheFolder(path, use));
