import type { DataDir } from './data-dir.ts';
import { DataDirError } from './data-dir-error.ts';
import { ensureSecretFile, readIfThere, readSecretIfThere } from './secret-file.ts';

export interface KeyFormat {
  /** Of both files, without `.sec` and `.pub`. */
  readonly file: string;
  /** Who trusts the public half, for messages: `clients`. */
  readonly trustedBy: string;
  /** The text of a new secret key. */
  make(): string;
  /** The public key's text; throws for what is no secret key. */
  publicOf(secret: string): string;
  /** The text of a public key as {@link KeyFormat.publicOf} writes it, where it can be written in several ways; throws for what is none. */
  normal?(publicKey: string): string;
}

/** The texts of both keys. */
export interface KeyPair {
  readonly secretKey: string;
  readonly publicKey: string;
}

/**
 * A key pair, made at the first start. A pair of which half is lost or another's is refused: others trust the public half, and would take
 * nothing that another key signs.
 *
 * @returns the texts of both keys.
 * @throws DataDirError `unusable-key`, with what to do.
 */
export async function ensureKeyPair(dir: Pick<DataDir, 'file'>, format: KeyFormat): Promise<KeyPair> {
  const { secretFile, publicFile } = filesOf(dir, format);
  const held = await readKeyPair(dir, format);
  const secretKey = held?.secretKey ?? (await ensureSecretFile(secretFile, () => `${format.make()}\n`)).text.trim();
  const publicKey = held?.publicKey ?? readable(() => format.publicOf(secretKey), secretFile);
  await ensureSecretFile(publicFile, () => `${publicKey}\n`, 0o644);
  return { secretKey, publicKey };
}

/** The same of a pair that is there, without making anything; `undefined` where there is none yet. */
export async function readKeyPair(
  dir: Pick<DataDir, 'file'>,
  format: Omit<KeyFormat, 'make'>,
): Promise<KeyPair | undefined> {
  const { trustedBy, publicOf, normal = (text: string) => text } = format;
  const { secretFile, publicFile } = filesOf(dir, format);
  const trusted = (await readIfThere(publicFile))?.trim();
  const secretKey = (await readSecretIfThere(secretFile))?.trim();
  if (secretKey === undefined) {
    if (trusted === undefined) return undefined;
    throw unusable(
      `${secretFile} is gone, and ${trustedBy} trust its other half, ${publicFile}. Restore it from the backup; if it is lost, remove that one too: the next start makes another pair, and ${trustedBy} need its public key`,
    );
  }
  const publicKey = readable(() => publicOf(secretKey), secretFile);
  if (trusted !== undefined && readable(() => normal(trusted), publicFile) !== publicKey)
    throw unusable(
      `${publicFile}: expected ${publicKey}, which belongs to ${secretFile}, got ${JSON.stringify(trusted.slice(0, 200))}. Restore both from the same backup, or remove it: it is made again from the other`,
    );
  return { secretKey, publicKey };
}

function filesOf(dir: Pick<DataDir, 'file'>, { file }: Pick<KeyFormat, 'file'>) {
  return { secretFile: dir.file(`${file}.sec`), publicFile: dir.file(`${file}.pub`) };
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
