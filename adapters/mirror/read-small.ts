import { type Http, readText } from '../../client/http.ts';
import { narinfoType } from '../../domain/store/narinfo.ts';

/** The largest narinfo that is read. */
const mostBytes = 4 * 1024 * 1024;

/** A file of the cache that is small, or none of it: a narinfo, `nix-cache-info`. @param accept the type that it is asked for in */
export async function readSmall(
  http: Http,
  path: string,
  { accept = narinfoType, signal }: { readonly accept?: string; readonly signal?: AbortSignal | undefined } = {},
): Promise<string> {
  const options = { headers: { accept }, ...(signal && { signal }) };
  return readText(await http.request('GET', path, options), http.url, mostBytes);
}
