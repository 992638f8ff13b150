import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAcl, parseGuixPublicKey } from '../../../domain/guix/keys.ts';
import { isSameExpression } from '../../../domain/guix/s-expression.ts';

/** Where Guix has its keys. */
const configurationFolder = (): string => process.env.GUIX_CONFIGURATION_DIRECTORY || '/etc/guix';

/**
 * Rejects where the guix-daemon of this machine does not take what the key has signed, with what to do about it; resolves where it does, and
 * where this user cannot read which keys it takes.
 *
 * @param key text of a cache's `signing-key.pub`.
 * @param url where it is to be had.
 */
export async function checkTrust(key: string, url: string, folder = configurationFolder()): Promise<void> {
  const { expression } = parseGuixPublicKey(key);
  const file = join(folder, 'acl');
  let text: string;
  try {
    text = await readFile(file, 'latin1');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EACCES') return;
    if (code !== 'ENOENT') throw error;
    text = '(acl)';
  }
  if (trustedKeys(text, file).some((known) => isSameExpression(known, expression))) return;
  throw new Error(
    `the guix-daemon of this machine does not trust the key of the coordinator's cache (it is not in ${file}): have root save ${url} as signing-key.pub and run guix archive --authorize < signing-key.pub`,
  );
}

/** A list that cannot be read trusts nobody: guix-daemon fetches nothing then. */
function trustedKeys(text: string, file: string): ReturnType<typeof parseAcl> {
  try {
    return parseAcl(text);
  } catch (error) {
    throw new Error(
      `the list of keys that the guix-daemon of this machine trusts cannot be read (${file}: ${(error as Error).message}): have root restore it, or move it away and authorize its keys again (guix archive --authorize)`,
      { cause: error },
    );
  }
}

/** Longest wait for each of the few bytes that a cache says of itself, in milliseconds. */
const patienceMs = 30_000;

/**
 * Rejects where the guix-daemon of this machine could not fetch from the cache at `url`: it has to be there for who has no token, and its key
 * among those that the daemon takes.
 */
export async function checkSubstitutes(url: string, signal: AbortSignal, folder?: string): Promise<void> {
  const key = `${url}/signing-key.pub`;
  const response = await fetch(key, { signal: AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]) }).catch(
    (error: Error) => {
      throw new Error(`${key} cannot be fetched: ${(error.cause as Error | undefined)?.message ?? error.message}`);
    },
  );
  const text = await response.text();
  if (response.status === 401 || response.status === 403)
    throw new Error(
      `guix-daemon cannot fetch from the coordinator's cache, which asks for a token (${url}: HTTP ${response.status}), and Guix has none to give: set cache-public = true there`,
    );
  if (response.status !== 200)
    throw new Error(`expected the key of the coordinator's cache for Guix at ${key}, got HTTP ${response.status}`);
  await checkTrust(text, key, folder);
}
