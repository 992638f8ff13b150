import { type Http, readText } from '../../client/http.ts';
import { narinfoType } from '../../domain/store/narinfo.ts';

/** The largest narinfo that is read. */
const mostBytes = 4 * 1024 * 1024;

/** A file of the cache that is small, or none of it: a narinfo, `nix-cache-info`. */
export async function readSmall(http: Http, path: string, signal?: AbortSignal): Promise<string> {
  const options = { headers: { accept: narinfoType }, ...(signal && { signal }) };
  return readText(await http.request('GET', path, options), http.url, mostBytes);
}
