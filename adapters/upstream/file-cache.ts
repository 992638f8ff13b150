import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { UpstreamCache } from '../../coordinator/ports/upstream.ts';
import { asUpstreamError, decompress } from './decompress.ts';
import { openInFolder, readInFolder } from './folder-file.ts';
import { maxNarinfoBytes, narinfoOf } from './narinfo-text.ts';

/** A folder as `nix copy --to file://` makes it. One that is away, as where it is not mounted, is no empty one. */
export function openFileCache(url: string): UpstreamCache {
  const dir = fileURLToPath(url).replace(/\/+$/, '');

  async function smallFile(name: string): Promise<string | undefined> {
    const file = `${dir}/${name}`;
    try {
      return await readInFolder(dir, name, maxNarinfoBytes);
    } catch (error) {
      if (!isAbsent(error)) throw asUpstreamError(error, file);
      await present();
      return undefined;
    }
  }

  async function present(): Promise<void> {
    try {
      if (!(await stat(dir)).isDirectory()) throw new Error('expected a folder');
    } catch (error) {
      throw asUpstreamError(error, dir);
    }
  }

  return {
    info: () => smallFile('nix-cache-info'),
    async narinfo(hashPart) {
      const text = await smallFile(`${hashPart}.narinfo`);
      return text === undefined ? undefined : narinfoOf(text, `${hashPart}.narinfo`);
    },
    async nar({ url: name, compression, narSize }, signal) {
      try {
        // Opened before anything is said of it: what is not there is no stream that fails.
        const file = await openInFolder(dir, name);
        return decompress(file.createReadStream({ signal }), compression, narSize);
      } catch (error) {
        if (!isAbsent(error)) throw asUpstreamError(error, `${dir}/${name}`);
        await present();
        return undefined;
      }
    },
    [Symbol.dispose]() {},
  };
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}
