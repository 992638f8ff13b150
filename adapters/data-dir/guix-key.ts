import {
  formatGuixPublicKey,
  formatGuixSecretKey,
  makeGuixKey,
  parseGuixPublicKey,
  parseGuixSecretKey,
} from '../../domain/guix/keys.ts';
import type { DataDir } from './data-dir.ts';
import { ensureKeyPair, type KeyFormat, type KeyPair, readKeyPair } from './key-pair.ts';

export const guixKeyFormat: Omit<KeyFormat, 'make'> = {
  file: 'guix-key',
  trustedBy: 'clients of Guix',
  publicOf: (secret: string) => formatGuixPublicKey(parseGuixSecretKey(secret).publicKey).trim(),
  normal: (publicKey: string) => formatGuixPublicKey(parseGuixPublicKey(publicKey)).trim(),
};

/** The text of a new secret key. */
export const newGuixKey = (random: (length: number) => Uint8Array): string =>
  formatGuixSecretKey(makeGuixKey(random(32))).trim();

/** The texts of both keys, and the public point, 32 bytes. */
export interface GuixKey extends KeyPair {
  readonly point: Uint8Array;
}

/** The pair that is there; `undefined` where none is. See {@link readKeyPair}. */
export const readGuixKey = (dir: Pick<DataDir, 'file'>) => readKeyPair(dir, guixKeyFormat);

/** The key pair of the cache for Guix, as Guix keeps its own in files. See {@link ensureKeyPair}. */
export async function ensureGuixKey(
  dir: Pick<DataDir, 'file'>,
  random: (length: number) => Uint8Array,
): Promise<GuixKey> {
  const pair = await ensureKeyPair(dir, { ...guixKeyFormat, make: () => newGuixKey(random) });
  return { ...pair, point: parseGuixPublicKey(pair.publicKey).point };
}
