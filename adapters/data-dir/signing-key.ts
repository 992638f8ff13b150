import { generateSigningKey, parseSecretKey, publicKeyText } from '../../domain/store/signature.ts';
import type { DataDir } from './data-dir.ts';
import { ensureKeyPair, type KeyFormat, readKeyPair } from './key-pair.ts';

export const signingKeyFormat: Omit<KeyFormat, 'make'> = {
  file: 'cache-key',
  trustedBy: 'clients',
  publicOf: (secret: string) => publicKeyText(parseSecretKey(secret)),
};

/** The pair that is there; `undefined` where none is. See {@link readKeyPair}. */
export const readSigningKey = (dir: Pick<DataDir, 'file'>) => readKeyPair(dir, signingKeyFormat);

/** The key pair of the cache, as Nix keeps them in files. See {@link ensureKeyPair}. */
export function ensureSigningKey(
  dir: Pick<DataDir, 'file'>,
  name: string,
  random: (length: number) => Uint8Array,
): ReturnType<typeof ensureKeyPair> {
  return ensureKeyPair(dir, {
    ...signingKeyFormat,
    make: () => generateSigningKey(name, random(32)).secret,
  });
}
