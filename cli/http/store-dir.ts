import { readText } from '../../client/http.ts';
import { CliError } from '../output/cli-error.ts';
import type { Client } from './client.ts';

/** The first store directory of a coordinator, as its binary cache says. */
export const storeDirOf = (client: Client): Promise<string> => storeDirAt(client, '');

async function storeDirAt(client: Client, root: string): Promise<string> {
  const response = await client.request('GET', `/${root}nix-cache-info`, { headers: { accept: 'text/plain' } });
  return /^StoreDir: *(\/\S+)$/m.exec(await readText(response, client.url, 65_536))?.[1] ?? '/nix/store';
}

/** Where the caches of a coordinator with several store directories are, below its address. */
const roots = ['', 'guix/', 'nix/'] as const;

/** The store directories of a coordinator, each with the root of its cache below the coordinator's address. */
export async function cacheRootsOf(client: Client): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const root of roots) {
    const storeDir = await storeDirAt(client, root).catch((error: unknown) => {
      // That of the first is at the root; of others there may be none.
      if (root !== '' && error instanceof CliError && error.code === 'not-found') return undefined;
      throw error;
    });
    if (storeDir !== undefined && !found.has(storeDir)) found.set(storeDir, root);
  }
  return found;
}
