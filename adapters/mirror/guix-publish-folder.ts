import { createReadStream } from 'node:fs';
import { link, readdir, readFile, rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { type GuixNar, guixNarUrl, guixSignedText, renderGuixNarinfo } from '../../domain/guix/narinfo.ts';
import { guixCompression, guixPublishCompressions } from '../../domain/hook/compressions.ts';
import { FormatError } from '../../domain/store/format-error.ts';
import { createNarVerifier } from '../../domain/store/nar-verifier.ts';
import type { NarInfo } from '../../domain/store/narinfo.ts';
import { syncDirectory } from '../data-dir/durable.ts';
import { CodecError } from '../nar/codec.ts';
import { decompress } from '../nar/decompress.ts';
import { bakeNar } from './bake-nar.ts';
import { type CacheFolder, factsOf, sizeOf } from './cache-folder.ts';
import { FolderError } from './folder-error.ts';
import { createFolderIndex } from './folder-index.ts';
import { compressionsOf, guixItemOf, itemInFolder, signatureOf, urlOf } from './guix-publish-narinfo.ts';
import { guixPublishState } from './guix-publish-state.ts';
import { makeOwnFolder } from './make-folder.ts';
import { hasMirrorState } from './mirror-state.ts';
import { refuseEndless } from './regular-file.ts';
import { letEverybodyRead, replaceFile } from './replace-file.ts';

/**
 * Opens or makes a folder as `guix publish --cache` has it: `hashes/<hash part>` with the path of the item, `<compression>/<base name>.nar`, and
 * beside each of these the narinfo, a link to one file for all compressions. Source: Guix 1.5.0, `guix/scripts/publish.scm`.
 *
 * Programs of Guix write to such folders too. What is Drover's is known by what is in `.drover/`: `items` has the narinfo of each item, `nars`
 * an empty file for each item whose NARs may be there without. All else stays as it is, but for that of an item that is put there.
 *
 * @param compressions as guix publish takes them; the first is the one by which it looks for items
 * @param use to `read`, nothing is changed: somebody else may be writing
 */
export async function openGuixPublishFolder(
  path: string,
  compressions: readonly string[],
  use: 'read' | 'write' = 'write',
): Promise<CacheFolder> {
  const configured = compressions.map(guixCompression);
  const own = join(path, guixPublishState);
  const [itemFolder, markFolder, incoming] = ['items', 'nars', 'incoming'].map((name) => join(own, name)) as [
    string,
    string,
    string,
  ];
  const hashes = join(path, 'hashes');
  const used = [...new Set([...configured.map(({ method }) => method), 'none'])];
  const folderOf = (compression: string): string => join(path, compression);
  if (hasMirrorState(path) && (await sizeOf(own)) === undefined)
    throw new FolderError(`${path}: expected a folder in the layout of guix publish, got a plain binary cache`);
  if (use === 'write')
    for (const folder of [own, itemFolder, markFolder, incoming, hashes, ...used.map(folderOf)])
      await makeOwnFolder(folder);

  const index = createFolderIndex();
  const { items } = index;
  /** What is known of the NARs in the folder, by the base names of their items. */
  const baked = new Map<string, { readonly facts: string; readonly nars: readonly GuixNar[] }>();
  const damaged: string[] = [];

  const narinfoIn = (compression: string, item: string): string => join(folderOf(compression), `${item}.narinfo`);
  const narIn = (compression: string, item: string): string => join(folderOf(compression), urlOf(item));
  const hashFile = (item: string): string => join(hashes, item.slice(0, 32));
  const baseOf = ({ storePath }: NarInfo): string => storePath.slice(storePath.lastIndexOf('/') + 1);

  /** That by which it is found first. Whether anything was there. */
  async function takeOut(item: string): Promise<boolean> {
    const files = [hashFile(item), ...guixPublishCompressions.map((compression) => narinfoIn(compression, item))];
    let was = false;
    for (const file of files) was = (await removed(file)) || was;
    return was;
  }

  /** From now on its NARs are removed where it has no narinfo. */
  const mark = (item: string): Promise<void> => replaceFile(join(markFolder, item), '', incoming);

  async function removeNars(item: string): Promise<void> {
    for (const compression of guixPublishCompressions) await rm(narIn(compression, item), { force: true });
  }

  async function syncAll(): Promise<void> {
    for (const folder of [hashes, ...used.map(folderOf), itemFolder]) await syncDirectory(folder);
  }

  async function forgetNars(item: string): Promise<void> {
    await removeNars(item);
    baked.delete(item);
    await rm(join(markFolder, item), { force: true });
  }

  const names = await readdir(itemFolder).catch((error: NodeJS.ErrnoException) => {
    if (use === 'read' && error.code === 'ENOENT') return [];
    throw error;
  });
  for (const name of names) {
    const found = await readItem(join(itemFolder, name), name);
    if (found === undefined) {
      damaged.push(name.slice(0, 32));
      if (use === 'read') continue;
      await mark(name);
      await takeOut(name);
      await rename(join(itemFolder, name), join(own, `${name.slice(0, 32)}.narinfo.damaged`));
      continue;
    }
    index.add(found.item);
    const now = compressionsOf(name, configured);
    if (found.nars.length === now.length && now.every(({ method }, n) => found.nars[n]?.compression === method))
      baked.set(name, { facts: factsOf(found.item.info), nars: found.nars });
  }

  /** What is brought is in there until it is in all its compressions. */
  const narFile = ({ storePath, compression }: NarInfo): string =>
    join(incoming, `${storePath.slice(storePath.lastIndexOf('/') + 1)}.${compression}`);

  async function areNarsThere(item: string): Promise<boolean> {
    const sizes = await Promise.all(
      (baked.get(item)?.nars ?? []).map(async ({ compression, fileSize }) => {
        return (await sizeOf(narIn(compression, item))) === fileSize;
      }),
    );
    return sizes.length > 0 && sizes.every((isRight) => isRight);
  }

  return {
    path,
    damaged,
    get size() {
      return items.size;
    },
    itemOf: guixItemOf,
    get: (item) => items.get(item),
    all: () => items.values(),
    dangling: index.dangling,
    referrersOf: index.referrersOf,
    narFile,
    hasNar: async (info) => baked.get(baseOf(info))?.facts === factsOf(info) && areNarsThere(baseOf(info)),
    async isWhole({ path: item, info }) {
      const size = await sizeOf(join(itemFolder, item));
      if (size === undefined || !(await areNarsThere(item))) return false;
      if ((await sizeOf(hashFile(item))) !== info.storePath.length) return false;
      for (const { compression } of baked.get(item)?.nars ?? [])
        if ((await sizeOf(narinfoIn(compression, item))) !== size) return false;
      return true;
    },
    async verifyNar({ path: item, info }) {
      for (const { compression } of baked.get(item)?.nars ?? []) {
        const nar = createNarVerifier({ maxSize: info.narSize });
        try {
          for await (const chunk of decompress(compression, createReadStream(narIn(compression, item))))
            nar.write(chunk);
        } catch (error) {
          if (!(error instanceof CodecError)) throw error;
          throw new FormatError('malformed-nar', `${narIn(compression, item)}: ${error.message}`);
        }
        const said = factsOf(nar.end());
        if (said !== factsOf(info))
          throw new FormatError('malformed-nar', `${narIn(compression, item)}: expected ${factsOf(info)}, got ${said}`);
      }
    },
    isNarUnknown: async (info) => (await sizeOf(narFile(info))) !== undefined,
    async broughtNar(info) {
      const item = baseOf(info);
      const source = { file: narFile(info), compression: info.compression };
      await mark(item);
      // Whatever narinfo is there is of other files.
      if (await takeOut(item)) await syncAll();
      await removeNars(item);
      await letEverybodyRead(source.file);
      const nars: GuixNar[] = [];
      for (const compression of compressionsOf(item, configured)) {
        const { method, level } = compression;
        const file = narIn(method, item);
        const made = join(incoming, `${item}.baked`);
        await rm(made, { force: true });
        if (method === source.compression && level === undefined) await link(source.file, made);
        else await bakeNar(source, compression, made);
        await rename(made, file);
        await syncDirectory(folderOf(method));
        nars.push({ url: guixNarUrl(item, method), compression: method, fileSize: await sizeOf(file) });
      }
      await rm(source.file, { force: true });
      baked.set(item, { facts: factsOf(info), nars });
    },
    async publish(item) {
      const { path: name, info } = item;
      const { nars } = baked.get(name) as { nars: readonly GuixNar[] };
      const text = renderGuixNarinfo(guixSignedText(info), signatureOf(item, hostname()), nars);
      const narinfo = join(itemFolder, name);
      await replaceFile(narinfo, text, incoming);
      for (const { compression } of nars) {
        const linked = join(incoming, `${name}.narinfo`);
        await rm(linked, { force: true });
        await link(narinfo, linked);
        await rename(linked, narinfoIn(compression, name));
        await syncDirectory(folderOf(compression));
      }
      await replaceFile(hashFile(name), info.storePath, incoming);
      await rm(join(markFolder, name), { force: true });
      index.add(item);
    },
    async unpublish(item) {
      if (!items.has(item)) return;
      await mark(item);
      await takeOut(item);
      await rm(join(itemFolder, item), { force: true });
      index.remove(item);
    },
    async removeNar(info) {
      await syncAll();
      await forgetNars(baseOf(info));
    },
    async sweep(staying = new Set()) {
      const marked = await readdir(markFolder);
      const left = marked.filter((item) => !items.has(item) && !staying.has(urlOf(item)));
      // A narinfo that comes back after a power cut would come back without its NAR.
      if (left.length > 0) await syncAll();
      for (const item of left) await forgetNars(item);
      for (const item of marked) if (items.has(item)) await rm(join(markFolder, item), { force: true });
      for (const name of await readdir(incoming)) await rm(join(incoming, name), { force: true });
      return left.length;
    },
    // guix publish says by itself what its cache is.
    writeCacheInfo: async () => {},
  };
}

/** Whether there was one. */
async function removed(file: string): Promise<boolean> {
  try {
    await rm(file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** `undefined` for what cannot be that item's narinfo. */
async function readItem(file: string, name: string): Promise<ReturnType<typeof itemInFolder> | undefined> {
  await refuseEndless(file);
  try {
    const found = itemInFolder(await readFile(file, 'utf8'));
    return found.item.path === name ? found : undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof FormatError || code === 'EISDIR' || code === 'EIO') return undefined;
    throw error;
  }
}
