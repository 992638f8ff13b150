import { createReadStream } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import { resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type UpstreamCache, UpstreamError } from '../../coordinator/ports/upstream.ts';
import { asUpstreamError, decompress } from './decompress.ts';
import { maxNarinfoBytes, narinfoOf } from './narinfo-text.ts';

/** A folder as `nix copy --to file://` makes it. One that is away, as where it is not mounted, is no empty one. */
export function openFileCache(url: string): UpstreamCache {
  const dir = fileURLToPath(url).replace(/\/+$/, '');

  async function smallFile(name: string): Promise<string | undefined> {
    const file = `${dir}/${name}`;
    try {
      const { size } = await stat(file);
      if (size > maxNarinfoBytes)
        throw new UpstreamError(`${file}: expected at most ${maxNarinfoBytes} bytes, got ${size}`);
      return await readFile(file, 'utf8');
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
    async nar({ url: name, compression }, signal) {
      const file = resolve(dir, name);
      if (!file.startsWith(dir + sep)) throw new UpstreamError(`expected a file in ${dir}, got ${name}`);
      try {
        // Opened before anything is said of it: what is not there is no stream that fails.
        const handle = await open(file);
        return decompress(createReadStream('', { fd: handle, signal }), compression);
      } catch (error) {
        if (!isAbsent(error)) throw asUpstreamError(error, file);
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
