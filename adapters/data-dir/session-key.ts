import type { DataDir } from './data-dir.ts';
import { DataDirError } from './data-dir-error.ts';
import { ensureSecretFile, readSecretIfThere } from './secret-file.ts';

/** Of AES-256, in bytes. */
const keyBytes = 32;

const fileOf = (dir: Pick<DataDir, 'file'>): string => dir.file('session.key');

/**
 * The key that seals sessions of the dashboard, in `session.key`: made at the first start and kept from then on, so that a restart ends no session.
 *
 * @throws DataDirError `unusable-key` where the file holds something else
 */
export async function ensureSessionKey(
  dir: Pick<DataDir, 'file'>,
  random: (length: number) => Uint8Array,
): Promise<Uint8Array> {
  const file = fileOf(dir);
  const { text } = await ensureSecretFile(file, () => `${Buffer.from(random(keyBytes)).toString('base64url')}\n`);
  return keyOf(file, text);
}

/** The key that is there; `undefined` where none is. See {@link ensureSessionKey}. */
export async function readSessionKey(dir: Pick<DataDir, 'file'>): Promise<Uint8Array | undefined> {
  const text = await readSecretIfThere(fileOf(dir));
  return text === undefined ? undefined : keyOf(fileOf(dir), text);
}

function keyOf(file: string, text: string): Uint8Array {
  const key = Buffer.from(text.trim(), 'base64url');
  if (key.length === keyBytes) return key;
  throw new DataDirError(
    'unusable-key',
    `${file}: expected ${keyBytes} bytes in base64url, got ${key.length}. Remove it: the next start makes another one, and whoever is logged in to the dashboard logs in again`,
  );
}
