import { constants, copyFile, open } from 'node:fs/promises';
import { DroverProblem } from '../../client/errors.ts';
import type { Http } from '../../client/http.ts';
import { parseNarName } from '../http/cache/nar-url.ts';
import { parseUpstreamNarUrl } from '../http/cache/upstream-url.ts';
import { createLayout } from '../pool/filesystem/layout.ts';
import type { CacheSource } from './cache-source.ts';

/**
 * NARs straight from the files of a pool, and those of what only an upstream has by another way.
 *
 * @param openUpstream the NAR with such a URL; `undefined` where it is not there. Rejects where it is not given now.
 */
export function openPoolSource(
  pool: string,
  openUpstream: (url: string) => Promise<AsyncIterable<Uint8Array> | undefined>,
): Pick<CacheSource, 'place' | 'nars'> {
  const layout = createLayout(pool);
  /** The file that a URL of the cache names. */
  function fileOf(url: string): string {
    const name = parseNarName(url.replace(/^\/?nar\//, ''));
    if (name === undefined) throw new DroverProblem('not-found', 404, `${url} is no NAR`, {});
    return layout.nar(name);
  }
  async function fromUpstream(url: string): Promise<Response> {
    const nar = await openUpstream(url).catch((error: Error) => {
      throw new DroverProblem('upstream-failed', 502, error.message, {});
    });
    if (nar === undefined) throw new DroverProblem('not-found', 404, `${url} is not there`, {});
    return new Response(ReadableStream.from(nar) as ReadableStream<Uint8Array>);
  }
  const nars: Http = {
    url: pool,
    async request(_method, path, { headers } = {}) {
      const url = path.replace(/^\//, '');
      if (parseUpstreamNarUrl(url) !== undefined) return fromUpstream(url);
      const from = Number(/^bytes=(\d+)-$/.exec(headers?.range ?? '')?.[1] ?? 0);
      const file = fileOf(path);
      const handle = await open(file).catch((error: NodeJS.ErrnoException) => {
        throw error.code === 'ENOENT' ? new DroverProblem('not-found', 404, `${file} is not there`, {}) : error;
      });
      const { size } = await handle.stat();
      const bytes = handle.createReadStream({ start: from, highWaterMark: Math.max(1, Math.min(1024 * 1024, size)) });
      return new Response(ReadableStream.from(bytes) as ReadableStream<Uint8Array>, { status: from > 0 ? 206 : 200 });
    },
  };
  return {
    nars,
    async place({ url }, file) {
      try {
        // A copy of its own, which shares what is on the disk until one of them is changed. A hard link would let who may write to the
        // folder change the pool.
        await copyFile(fileOf(url), file, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
        // By its handle: who may write to the folder could have put a link in its place by now, to any file of ours.
        await using copy = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW);
        if ((await copy.stat()).nlink === 1) await copy.chmod(0o644);
      } catch {
        // Not on one file system, or one that cannot; or a part of it is there already.
      }
    },
  };
}
