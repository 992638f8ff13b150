import { existsSync } from 'node:fs';
import { readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FormatError } from '../../domain/store/format-error.ts';
import type { NarInfo } from '../../domain/store/narinfo.ts';
import { syncDirectory, temporaryName, writeFileDurably } from '../data-dir/durable.ts';
import { narUrl, parseNarName } from '../http/cache/nar-url.ts';
import { verifyNar } from './fetch-nar.ts';
import { FolderError } from './folder-error.ts';
import { createFolderIndex } from './folder-index.ts';
import { guixPublishState } from './guix-publish-state.ts';
import { keptForm } from './kept-form.ts';
import { makeOwnFolder } from './make-folder.ts';
import { mirrorStateName } from './mirror-state.ts';
import { refuseEndless } from './regular-file.ts';

/** What a cache folder has of one store item. */
export interface CachedItem {
  /** Base name of its path. */
  readonly path: string;
  readonly info: NarInfo;
  /** What two of them that are the same have in common: the narinfo as it is in the file, or the part of it that is signed. */
  readonly text: string;
  /** Where the cache that it comes from has its NAR. */
  readonly from: string;
}

/**
 * A folder that is a binary cache. A narinfo is there only while its NAR and the narinfos of all that it refers to are (I7); what is here keeps
 * that order for one item, the caller for references.
 */
export interface CacheFolder {
  readonly path: string;
  /** Hash parts of narinfos that could not be read; they are set aside where the folder is open to `write`. */
  readonly damaged: readonly string[];
  /** Number of items. */
  readonly size: number;
  /**
   * Reads a narinfo that may be put into the folder.
   *
   * @throws FormatError `malformed-narinfo`
   */
  itemOf(served: string): CachedItem;
  get(path: string): CachedItem | undefined;
  all(): Iterable<CachedItem>;
  /** What items in the folder refer to and is not there: only as long as a damaged folder is not closed again. */
  dangling(): readonly string[];
  /** Items in the folder that refer to the path, itself left out. */
  referrersOf(path: string): readonly string[];
  /**
   * Whether the NAR is there with its size, and known to be what this narinfo says of it. NARs come to their place whole and verified
   * only, but by the narinfo of another item perhaps: many items may have one NAR.
   *
   * @throws FormatError if it is known to be another
   */
  hasNar(info: NarInfo): Promise<boolean>;
  /** Whether the item's files are there with the sizes that they should have: somebody else may have removed or cut them. */
  isWhole(item: CachedItem): Promise<boolean>;
  /**
   * Reads every byte of the item's NAR, in all its files.
   *
   * @throws FormatError if they are not what its narinfo says
   */
  verifyNar(item: CachedItem): Promise<void>;
  /** Whether a file is in the NAR's place of which it is not known what it is: an earlier run ended just after it brought it. */
  isNarUnknown(info: NarInfo): Promise<boolean>;
  /** The NAR is in its place now, verified by this narinfo. */
  broughtNar(info: NarInfo): Promise<void>;
  /** Where the NAR is brought, as the cache has it that it comes from. */
  narFile(info: NarInfo): string;
  /** Writes the narinfo; the NAR has to be there. */
  publish(item: CachedItem): Promise<void>;
  /** Removes the narinfo, and leaves the NAR. */
  unpublish(path: string): Promise<void>;
  /** Removes the NAR; no narinfo may name it. */
  removeNar(info: NarInfo): Promise<void>;
  /** Removes NARs that no narinfo names, but for those with the URLs of `staying`. Gives how many. */
  sweep(staying?: ReadonlySet<string>): Promise<number>;
  writeCacheInfo(text: string): Promise<void>;
}

const narinfoName = /^([0-9a-z]{32})\.narinfo$/;
/** Files that are written here, beside the NARs. */
const isOurs = (name: string): boolean =>
  narinfoName.test(name) || name === 'nix-cache-info' || name === mirrorStateName;

/**
 * Opens or makes a folder that is a plain binary cache, as any static web server can give it out: `<hash>.narinfo`, `nar/…`, `nix-cache-info`. What is not of a cache stays as it is in there, whatever its name.
 *
 * @param use to `read`, nothing is changed: somebody else may be writing
 */
export async function openCacheFolder(path: string, use: 'read' | 'write' = 'write'): Promise<CacheFolder> {
  if (existsSync(join(path, guixPublishState)))
    throw new FolderError(`${path}: expected a plain binary cache, got one in the layout of guix publish`);
  const narFolder = join(path, 'nar');
  if (use === 'write') await makeOwnFolder(narFolder);
  const index = createFolderIndex();
  const { items } = index;
  /** What is known of the NARs in the folder, by URL. */
  const nars = new Map<string, string>();
  const damaged: string[] = [];

  function add(item: CachedItem): void {
    index.add(item);
    nars.set(item.info.url, factsOf(item.info));
  }

  const found = await readdir(path).catch((error: NodeJS.ErrnoException) => {
    if (use === 'read' && error.code === 'ENOENT') return [];
    throw error;
  });
  for (const name of found) {
    if (use === 'write' && isTemporary(name)) await rm(join(path, name), { force: true });
    const hashPart = narinfoName.exec(name)?.[1];
    if (hashPart === undefined) continue;
    const item = await readItem(join(path, name), hashPart);
    if (item !== undefined) {
      add(item);
      continue;
    }
    damaged.push(hashPart);
    if (use === 'write') await rename(join(path, name), join(path, `${name}.damaged`));
  }

  const narFile = ({ url }: NarInfo): string => join(path, url);
  const narinfoFile = (item: string): string => join(path, `${item.slice(0, 32)}.narinfo`);

  return {
    path,
    damaged,
    get size() {
      return items.size;
    },
    get: (item) => items.get(item),
    all: () => items.values(),
    dangling: index.dangling,
    referrersOf: index.referrersOf,
    itemOf: cachedItem,
    narFile,
    async hasNar(info) {
      const file = await stat(narFile(info)).catch(() => undefined);
      if (file?.size !== info.fileSize) return false;
      const known = nars.get(info.url);
      if (known === undefined || known === factsOf(info)) return known !== undefined;
      throw new FormatError('malformed-nar', `expected a NAR of ${factsOf(info)} in ${info.url}, got one of ${known}`);
    },
    async isWhole({ path: item, info, text }) {
      const [narinfo, nar] = await Promise.all([sizeOf(narinfoFile(item)), sizeOf(narFile(info))]);
      return narinfo === Buffer.byteLength(text) && nar === info.fileSize;
    },
    verifyNar: ({ info }) => verifyNar(info, narFile(info)),
    isNarUnknown: async (info) =>
      !nars.has(info.url) && (await stat(narFile(info)).catch(() => undefined)) !== undefined,
    broughtNar: async (info) => void nars.set(info.url, factsOf(info)),
    async publish(item) {
      await writeFileDurably(narinfoFile(item.path), item.text, 0o644);
      add(item);
    },
    async unpublish(item) {
      if (!items.has(item)) return;
      await rm(narinfoFile(item), { force: true });
      index.remove(item);
    },
    async removeNar(info) {
      nars.delete(info.url);
      await syncDirectory(path);
      await rm(narFile(info), { force: true });
    },
    async sweep(staying = new Set()) {
      const used = new Set(Array.from(items.values(), ({ info }) => info.url.slice('nar/'.length)));
      const left = (await readdir(narFolder)).filter(
        (name) => isNarFile(name) && !used.has(name) && !staying.has(`nar/${name}`),
      );
      // A narinfo that comes back after a power cut would come back without its NAR.
      if (left.length > 0) await syncDirectory(path);
      for (const name of left) {
        nars.delete(`nar/${name}`);
        await rm(join(narFolder, name), { force: true });
      }
      return left.length;
    },
    writeCacheInfo: (text) => writeFileDurably(join(path, 'nix-cache-info'), text, 0o644),
  };
}

/** `undefined` where nothing is there. */
export async function sizeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** `undefined` for what cannot be that item's narinfo. */
async function readItem(file: string, hashPart: string): Promise<CachedItem | undefined> {
  await refuseEndless(file);
  try {
    const item = cachedItem(await readFile(file, 'utf8'));
    return item.path.startsWith(hashPart) ? item : undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof FormatError || code === 'EISDIR' || code === 'EIO') return undefined;
    throw error;
  }
}

const isTemporary = (name: string): boolean =>
  isOurs(name.replace(/\.tmp$/, '')) && temporaryName(name.replace(/\.tmp$/, '')) === name;

/** A NAR, or the part of one that was fetched so far. */
const isNarFile = (name: string): boolean => parseNarName(name.replace(/\.part$/, '')) !== undefined;

/** What a narinfo says of the bytes of its NAR. */
export function factsOf({ narHash, narSize }: Pick<NarInfo, 'narHash' | 'narSize'>): string {
  return `${narHash}, ${narSize} bytes`;
}

/**
 * Reads a narinfo that may be put into a folder: its NAR is to be verified, and has the place that its hash names, so that no two files
 * share one and nothing is outside.
 *
 * @throws FormatError `malformed-narinfo`
 */
export function cachedItem(served: string): CachedItem {
  const { text, info, from } = keptForm(served);
  const { url, storePath, fileHash, fileSize, compression } = info;
  if (fileHash === undefined || fileSize === undefined)
    throw new FormatError('malformed-narinfo', 'expected FileHash and FileSize, got a narinfo without');
  if (compression !== 'zstd' && compression !== 'none')
    throw new FormatError(
      'malformed-narinfo',
      `Compression: expected zstd or none, got ${JSON.stringify(compression)}`,
    );
  const place = narUrl({ hash: fileHash, compression });
  if (url !== place || parseNarName(url.slice('nar/'.length)) === undefined)
    throw new FormatError('malformed-narinfo', `URL: expected ${place}, got ${JSON.stringify(url)}`);
  return { path: storePath.slice(storePath.lastIndexOf('/') + 1), info, text, from };
}
