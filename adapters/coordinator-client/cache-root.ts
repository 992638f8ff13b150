import { TransferError } from '../../agent/ports/transfer-error.ts';
import { type HttpClient, readBody, refusal } from './http-request.ts';

/** Where caches of a coordinator may be that has several store directories, by its address. */
const candidates = ['', 'guix/', 'nix/'] as const;
const maxInfoBytes = 64 * 1024;

/** The root of a cache below a coordinator's address: `''`, or a folder with a slash at its end. */
export type CacheRootOf = (signal: AbortSignal) => Promise<string>;

/**
 * Finds out below which path of the coordinator the cache of a store directory is, asks once and keeps the answer. Rejects with
 * {@link TransferError} where there is none, and asks again then.
 */
export function findCacheRoot(http: HttpClient, storeDir: string): CacheRootOf {
  let known: string | undefined;

  async function storeDirAt(root: string, signal: AbortSignal): Promise<string | undefined> {
    const path = `${root}nix-cache-info`;
    const response = await http.send({ method: 'GET', path, signal });
    if (response.statusCode === 404) {
      response.resume();
      return undefined;
    }
    if (response.statusCode !== 200) throw await refusal(response, path);
    return /^StoreDir: (.*)$/m.exec((await readBody(response, maxInfoBytes)).toString())?.[1];
  }

  return async (signal) => {
    if (known !== undefined) return known;
    const others: string[] = [];
    for (const root of candidates) {
      const found = await storeDirAt(root, signal);
      if (found === storeDir) {
        known = root;
        return root;
      }
      if (found !== undefined) others.push(found);
    }
    throw new TransferError(
      'no-cache',
      `expected a coordinator with a cache of ${storeDir} (its setting other-store-dirs), got one of ${[...new Set(others)].join(', ') || 'none'}`,
      { status: 1 },
    );
  };
}
