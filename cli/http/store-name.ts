import { CliError } from '../output/cli-error.ts';
import { printable } from '../output/text.ts';
import type { Client } from './client.ts';
import { storeDirOf } from './store-dir.ts';

/** A name in one of these is a name in no other: they are not asked for. */
const usual = ['/nix/store', '/gnu/store'];

/**
 * The base name of what a person names by its store path or its base name. What lies anywhere else is refused, whatever its name is: it was
 * not looked at, and may be another thing than the one in the store.
 *
 * @throws CliError `wrong-use`
 */
export async function storeName(client: Client, text: string): Promise<string> {
  const slash = text.lastIndexOf('/');
  if (slash === -1) return text;
  const folder = text.slice(0, slash);
  const name = text.slice(slash + 1);
  if (usual.includes(folder)) return name;
  const storeDir = await storeDirOf(client);
  if (folder === storeDir) return name;
  throw new CliError('wrong-use', `expected a base name or a path in ${storeDir}, got ${printable(text)}`, {
    exitCode: 2,
  });
}

/** The same for several, each once. */
export async function storeNames(client: Client, texts: readonly string[]): Promise<readonly string[]> {
  const names = new Set<string>();
  for (const text of texts) names.add(await storeName(client, text));
  return [...names];
}
