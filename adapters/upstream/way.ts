import type { UpstreamCache } from '../../coordinator/ports/upstream.ts';
import { openFileCache } from './file-cache.ts';
import { type HttpCacheOptions, openHttpCache } from './http-cache.ts';

/** Where a binary cache is: `file:///FOLDER`, or over HTTP. */
export type Way = { readonly file: string } | { readonly http: HttpCacheOptions };

export function openWay(way: Way): UpstreamCache {
  return 'file' in way ? openFileCache(way.file) : openHttpCache(way.http);
}

export function nameOfWay(way: Way): string {
  return 'file' in way ? way.file : way.http.url;
}
