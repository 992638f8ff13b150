import { generateSigningKey, parseSecretKey, publicKeyText } from '../../domain/store/signature.ts';
import type { DataDir } from './data-dir.ts';
import { ensureKeyPair } from './key-pair.ts';

/** The key pair of the cache, as Nix keeps them in files. See {@link ensureKeyPair}. */
export function ensureSigningKey(
  dir: Pick<DataDir, 'file'>,
  name: string,
  random: (length: number) => Uint8Array,
): ReturnType<typeof ensureKeyPair> {
  return ensureKeyPair(dir, {
    file: 'cache-key',
    trustedBy: 'clients',
    make: () => generateSigningKey(name, random(32)).secret,
    publicOf: (secret) => publicKeyText(parseSecretKey(secret)),
  });
}
