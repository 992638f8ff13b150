import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FormatError } from '../../domain/store/format-error.ts';
import { type NarInfo, parseNarinfo } from '../../domain/store/narinfo.ts';
import { isTemporary, writeFileDurably } from '../data-dir/durable.ts';

/** What a cache folder has of one store item. */
export interface CachedItem {
  /** Base name of its path. */
  readonly path: string;
  readonly info: NarInfo;
  /** Its narinfo as it is in the file. */
  readonly text: string;
}

/**
 * A folder that is a plain binary cache, as any static web server can give it out: `<hash>.narinfo`, `nar/…`, `nix-cache-info`. A narinfo
 * is there only while its NAR and the narinfos of all that it refers to are (I7); what is here keeps that order for one item, the caller
 * for references.
 */
export interface CacheFolder {
  readonly path: string;
  /** Number of items. */
  readonly size: number;
  get(path: string): CachedItem | undefined;
  all(): Iterable<CachedItem>;
  /** Items in the folder that refer to the path, itself left out. */
  referrersOf(path: string): readonly string[];
  /** Whether the NAR is there with its size. NARs come to their place whole and verified only. */
  hasNar(info: NarInfo): Promise<boolean>;
  narFile(info: NarInfo): string;
  /** Writes the narinfo; the NAR has to be there. */
  publish(item: CachedItem): Promise<void>;
  /** Removes the narinfo, and leaves the NAR. */
  unpublish(path: string): Promise<void>;
  /** Removes NARs that no narinfo names. Gives how many. */
  sweep(): Promise<number>;
  writeCacheInfo(text: string): Promise<void>;
}

/**
 * Opens or makes the folder.
 *
 * @throws FormatError if a narinfo in it cannot be read
 */
export async function openCacheFolder(path: string): Promise<CacheFolder> {
  const narFolder = join(path, 'nar');
  await mkdir(narFolder, { recursive: true });
  const items = new Map<string, CachedItem>();
  const referrers = new Map<string, Set<string>>();

  function index(item: CachedItem): void {
    items.set(item.path, item);
    for (const reference of item.info.references) {
      if (reference === item.path) continue;
      const set = referrers.get(reference) ?? new Set();
      referrers.set(reference, set.add(item.path));
    }
  }
  function forget(item: CachedItem): void {
    items.delete(item.path);
    for (const reference of item.info.references) referrers.get(reference)?.delete(item.path);
  }

  for (const name of await readdir(path)) {
    if (isTemporary(name)) await rm(join(path, name), { force: true });
    if (!name.endsWith('.narinfo')) continue;
    const text = await readFile(join(path, name), 'utf8');
    try {
      index(cachedItem(text));
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      throw new FormatError(error.code, `${join(path, name)}: ${error.message}`);
    }
  }

  const narFile = ({ url }: NarInfo): string => join(path, url);
  const narinfoFile = (item: string): string => join(path, `${item.slice(0, 32)}.narinfo`);

  return {
    path,
    get size() {
      return items.size;
    },
    get: (item) => items.get(item),
    all: () => items.values(),
    referrersOf: (item) => [...(referrers.get(item) ?? [])],
    narFile,
    async hasNar(info) {
      const found = await stat(narFile(info)).catch(() => undefined);
      return found?.size === info.fileSize;
    },
    async publish(item) {
      await writeFileDurably(narinfoFile(item.path), item.text, 0o644);
      const before = items.get(item.path);
      if (before) forget(before);
      index(item);
    },
    async unpublish(item) {
      const known = items.get(item);
      if (!known) return;
      await rm(narinfoFile(item), { force: true });
      forget(known);
    },
    async sweep() {
      const used = new Set(Array.from(items.values(), ({ info }) => info.url.slice('nar/'.length)));
      const left = (await readdir(narFolder)).filter((name) => !used.has(name));
      for (const name of left) await rm(join(narFolder, name), { force: true });
      return left.length;
    },
    writeCacheInfo: (text) => writeFileDurably(join(path, 'nix-cache-info'), text, 0o644),
  };
}

/**
 * Reads a narinfo that may be put into a folder: its NAR is to be verified, and nothing in it names a place outside.
 *
 * @throws FormatError `malformed-narinfo`
 */
export function cachedItem(text: string): CachedItem {
  const info = parseNarinfo(text);
  const { url, storePath, fileHash, fileSize, compression } = info;
  if (!/^nar\/[0-9a-z][0-9a-zA-Z._-]{0,200}$/.test(url))
    throw new FormatError('malformed-narinfo', `URL: expected nar/<file>, got ${JSON.stringify(url)}`);
  if (fileHash === undefined || fileSize === undefined)
    throw new FormatError('malformed-narinfo', 'expected FileHash and FileSize, got a narinfo without');
  if (compression !== 'zstd' && compression !== 'none')
    throw new FormatError(
      'malformed-narinfo',
      `Compression: expected zstd or none, got ${JSON.stringify(compression)}`,
    );
  return { path: storePath.slice(storePath.lastIndexOf('/') + 1), info, text };
}
