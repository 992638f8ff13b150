import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import type { DataDir } from './data-dir.ts';
import { writeFileDurably } from './durable.ts';
import type { KeyFormat, KeyPair } from './key-pair.ts';
import { readIfThere } from './secret-file.ts';

type PublicHalf = Pick<KeyFormat, 'file' | 'normal'>;

/** The public key that others trust, though its other half may be gone; `undefined` where there is none. */
export async function trustedKey(
  dir: Pick<DataDir, 'file'>,
  { file, normal }: PublicHalf,
): Promise<string | undefined> {
  const text = (await readIfThere(dir.file(`${file}.pub`)))?.trim();
  return text === undefined ? undefined : (normal?.(text) ?? text);
}

/**
 * Puts a pair in the place of what is there, which is kept beside it with a number at its end. Cut off at any point it leaves one pair or the
 * other, whose public half the next start writes where it lacks. The caller has the lock of the folder.
 *
 * @returns the file that the secret key before is in now; `undefined` where there was none
 */
export async function putKeyPair(
  dir: Pick<DataDir, 'file'>,
  { file }: Pick<KeyFormat, 'file'>,
  { secretKey, publicKey }: KeyPair,
): Promise<string | undefined> {
  const [secretFile, publicFile] = [dir.file(`${file}.sec`), dir.file(`${file}.pub`)];
  let number = 1;
  while (existsSync(`${secretFile}.${number}`) || existsSync(`${publicFile}.${number}`)) number++;
  const held = await readIfThere(secretFile);
  const isOther = held !== undefined && held.trim() !== secretKey;
  if (isOther) await writeFileDurably(`${secretFile}.${number}`, held);
  if (isOther && existsSync(publicFile)) await rename(publicFile, `${publicFile}.${number}`);
  await writeFileDurably(secretFile, `${secretKey}\n`);
  await rm(publicFile, { force: true });
  await writeFileDurably(publicFile, `${publicKey}\n`, 0o644);
  return isOther ? `${secretFile}.${number}` : undefined;
}
