import type { UpstreamCache } from '../../coordinator/ports/upstream.ts';
import { narinfoType } from '../../domain/store/narinfo.ts';
import { decompress } from './decompress.ts';
import { type HttpGetOptions, openHttpGet } from './http-get.ts';
import { maxNarinfoBytes, narinfoOf } from './narinfo-text.ts';
import { viaHeader } from './via.ts';

export interface HttpCacheOptions extends HttpGetOptions {
  /** What this coordinator calls itself to caches that are coordinators as well. */
  readonly id: string;
}

const maxInfoBytes = 64 * 1024;

/** A binary cache over HTTP, with connections that are kept. */
export function openHttpCache(options: HttpCacheOptions): UpstreamCache {
  const { id } = options;
  const http = openHttpGet(options);
  const asking = (via?: string) => ({ [viaHeader]: via === undefined ? id : `${via} ${id}` });

  return {
    info: (signal) => http.text('nix-cache-info', maxInfoBytes, signal, asking()),
    async narinfo(hashPart, signal, via) {
      const path = `${hashPart}.narinfo`;
      const found = await http.text(path, maxNarinfoBytes, signal, { ...asking(via), accept: narinfoType });
      return found === undefined ? undefined : narinfoOf(found, http.base.href + path);
    },
    async nar({ url, compression, narSize }, signal, via) {
      const response = await http.get(url, signal, asking(via));
      return response && decompress(response, compression, narSize);
    },
    [Symbol.dispose]: () => http[Symbol.dispose](),
  };
}
