import type { DataDir } from './data-dir.ts';
import { DataDirError } from './data-dir-error.ts';
import { ensureSecretFile, readIfThere } from './secret-file.ts';

export interface KeyFormat {
  /** Of both files, without `.sec` and `.pub`. */
  readonly file: string;
  /** Who trusts the public half, for messages: `clients`. */
  readonly trustedBy: string;
  /** The text of a new secret key. */
  make(): string;
  /** The public key's text; throws for what is no secret key. */
  publicOf(secret: string): string;
}

/**
 * A key pair, made at the first start. A pair of which half is lost or another's is refused: others trust the public half, and would take
 * nothing that another key signs.
 *
 * @returns the texts of both keys.
 * @throws DataDirError `unusable-key`, with what to do.
 */
export async function ensureKeyPair(
  dir: Pick<DataDir, 'file'>,
  { file, trustedBy, make, publicOf }: KeyFormat,
): Promise<{ readonly secretKey: string; readonly publicKey: string }> {
  const [secretFile, publicFile] = [dir.file(`${file}.sec`), dir.file(`${file}.pub`)];
  const trusted = (await readIfThere(publicFile))?.trim();
  const { text } = await ensureSecretFile(secretFile, () => {
    if (trusted === undefined) return `${make()}\n`;
    throw unusable(
      `${secretFile} is gone, and ${trustedBy} trust its other half, ${publicFile}. Restore it from the backup; if it is lost, remove that one too: the next start makes another pair, and ${trustedBy} need its public key`,
    );
  });
  const secretKey = text.trim();
  const publicKey = readable(() => publicOf(secretKey), secretFile);
  if (trusted !== undefined && trusted !== publicKey)
    throw unusable(
      `${publicFile}: expected ${publicKey}, which belongs to ${secretFile}, got ${JSON.stringify(trusted.slice(0, 200))}. Restore both from the same backup, or remove it: it is made again from the other`,
    );
  await ensureSecretFile(publicFile, () => `${publicKey}\n`, 0o644);
  return { secretKey, publicKey };
}

function readable(read: () => string, file: string): string {
  try {
    return read();
  } catch (error) {
    throw unusable(`${file}: ${(error as Error).message}. Restore it from the backup`, error);
  }
}

function unusable(message: string, cause?: unknown): DataDirError {
  return new DataDirError('unusable-key', message, { cause });
}
