import { readText } from '../../client/http.ts';
import type { Client } from './client.ts';

/** The store directory of a coordinator, as its binary cache says. */
export async function storeDirOf(client: Client): Promise<string> {
  const response = await client.request('GET', '/nix-cache-info', { headers: { accept: 'text/plain' } });
  return /^StoreDir: *(\/\S+)$/m.exec(await readText(response, client.url, 65_536))?.[1] ?? '/nix/store';
}
