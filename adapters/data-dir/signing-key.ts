import { generateSigningKey, parseSecretKey, publicKeyText } from '../../domain/store/signature.ts';
import type { DataDir } from './data-dir.ts';
import { DataDirError } from './data-dir-error.ts';
import { ensureSecretFile, readIfThere } from './secret-file.ts';

/**
 * The key pair of the cache, made at the first start. A pair of which half is lost or another's is refused: clients trust the public
 * half, and would take nothing that another key signs.
 *
 * @returns the secret key and the public one, as Nix keeps them in files.
 * @throws DataDirError `unusable-key`, with what to do.
 */
export async function ensureSigningKey(
  dir: Pick<DataDir, 'file'>,
  name: string,
  random: (length: number) => Uint8Array,
): Promise<{ readonly secretKey: string; readonly publicKey: string }> {
  const [secretFile, publicFile] = [dir.file('cache-key.sec'), dir.file('cache-key.pub')];
  const trusted = (await readIfThere(publicFile))?.trim();
  const { text } = await ensureSecretFile(secretFile, () => {
    if (trusted === undefined) return `${generateSigningKey(name, random(32)).secret}\n`;
    throw unusable(
      `${secretFile} is gone, and clients trust its other half, ${publicFile}. Restore it from the backup; if it is lost, remove that one too: the next start makes another pair, and clients need its public key`,
    );
  });
  const secretKey = text.trim();
  const publicKey = publicOf(secretKey, secretFile);
  if (trusted !== undefined && trusted !== publicKey)
    throw unusable(
      `${publicFile}: expected ${publicKey}, which belongs to ${secretFile}, got ${JSON.stringify(trusted.slice(0, 200))}. Restore both from the same backup, or remove it: it is made again from the other`,
    );
  await ensureSecretFile(publicFile, () => `${publicKey}\n`, 0o644);
  return { secretKey, publicKey };
}

function publicOf(secretKey: string, file: string): string {
  try {
    return publicKeyText(parseSecretKey(secretKey));
  } catch (error) {
    throw unusable(`${file}: ${(error as Error).message}. Restore it from the backup`, error);
  }
}

function unusable(message: string, cause?: unknown): DataDirError {
  return new DataDirError('unusable-key', message, { cause });
}
