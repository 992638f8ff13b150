import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { guixStoreDir } from '../../domain/guix/store-dir.ts';
import { isHashPart, parseBaseName } from '../../domain/store/store-path.ts';
import { CliError } from '../output/cli-error.ts';
import type { NarSource } from './nar-source.ts';
import { listFolder, openFile, readNarinfoFile } from './read-folder.ts';

/** As `guix publish` has it, the ones that are read fastest first. */
const compressions: readonly string[] = ['zstd', 'gzip', 'none', 'lzip'];

/** Whether the folder is one that `guix publish --cache` fills. */
export function isGuixPublishCache(dir: string): boolean {
  return existsSync(join(dir, 'hashes'));
}

/**
 * What `guix publish --cache` keeps: `hashes/HASH` with the store path, `COMPRESSION/NAME.narinfo`, `COMPRESSION/NAME.nar`. Nothing there is by the URLs of its
 * narinfos, which have what `--nar-path` says.
 *
 * Source: Guix 1.5.0, `guix/scripts/publish.scm`, `nar-cache-file`, `hash-part-mapping-cache-file`.
 */
export function openGuixPublishCache(dir: string): NarSource {
  return {
    storeDir: guixStoreDir,
    async *list() {
      for await (const name of listFolder(join(dir, 'hashes'))) if (isHashPart(name)) yield name;
    },
    async narinfo(hashPart) {
      const path = (await readNarinfoFile(dir, join('hashes', hashPart)))?.trim();
      if (path === undefined) return undefined;
      const base = path.slice(guixStoreDir.length + 1);
      if (path !== `${guixStoreDir}/${base}` || !base.startsWith(`${hashPart}-`))
        throw new CliError(
          'wrong-store-dir',
          `hashes/${hashPart}: expected a path in ${guixStoreDir} of this hash, got ${path.slice(0, 260)}`,
        );
      parseBaseName(base);
      for (const compression of compressions) {
        const text = await readNarinfoFile(dir, join(compression, `${base}.narinfo`));
        if (text !== undefined) return text;
      }
      return undefined;
    },
    open: ({ url, compression }) =>
      openFile(dir, join(compression, `${decoded(url.slice(url.lastIndexOf('/') + 1))}.nar`)),
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new CliError('nar-missing', `expected a percent-encoded name, got ${text.slice(0, 260)}`);
  }
}
