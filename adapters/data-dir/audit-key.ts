import { randomId } from '../../coordinator/identifiers.ts';
import { generateNoteKey, noteKeyText, parseNoteSecret } from '../../domain/audit/signed-note.ts';
import type { DataDir } from './data-dir.ts';
import { ensureKeyPair, readKeyPair } from './key-pair.ts';

const format = {
  file: 'audit-key',
  trustedBy: 'auditors',
  publicOf: (secret: string) => noteKeyText(parseNoteSecret(secret)),
};

/** The pair that is there; `undefined` where none is. See {@link readKeyPair}. */
export const readAuditKey = (dir: Pick<DataDir, 'file'>) => readKeyPair(dir, format);

/**
 * The key pair that signs checkpoints of the log, in the form of C2SP's signed notes. See {@link ensureKeyPair}.
 *
 * @param name of a key that is made; if absent, one that no other has.
 */
export function ensureAuditKey(
  dir: Pick<DataDir, 'file'>,
  name: string | undefined,
  random: (length: number) => Uint8Array,
): ReturnType<typeof ensureKeyPair> {
  return ensureKeyPair(dir, {
    ...format,
    make: () => generateNoteKey(name ?? `drover-${randomId(random(10))}`, random(32)).secret,
  });
}
