import type { GuixPublishCompression } from '../../domain/hook/compressions.ts';
import { type CacheFolder, openCacheFolder } from './cache-folder.ts';
import { openGuixPublishFolder } from './guix-publish-folder.ts';

/** What a folder is like. */
export interface FolderForm {
  /** What is of another one is not for it. */
  readonly storeDir: string;
  /** Of its NARs, where it is in the layout of guix publish; a plain binary cache if absent. */
  readonly compressions?: readonly GuixPublishCompression[];
}

/** Opens or makes a folder of that form. @param use to `read`, nothing is changed: somebody else may be writing */
export const openFolder = (
  path: string,
  { compressions }: { readonly compressions?: FolderForm['compressions'] | undefined },
  use: 'read' | 'write' = 'write',
): Promise<CacheFolder> => (compressions ? openGuixPublishFolder(path, compressions, use) : openCacheFolder(path, use));
