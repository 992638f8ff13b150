import { type Checkpoint, parseCheckpoint } from '../../domain/audit/checkpoint.ts';
import { isSignedBy, type NoteKey, parseNote } from '../../domain/audit/signed-note.ts';
import { decodeEvent } from '../log/event-codec.ts';
import type { StoredEvent } from '../ports/event-store.ts';

/** A checkpoint that was read, and whose key signed it: `undefined` where no key was asked for. */
export interface CheckedNote {
  readonly checkpoint: Checkpoint;
  readonly by: string | undefined;
}
export interface NoteFault {
  readonly kind: 'checkpoint' | 'signature';
  readonly fault: string;
}

/** Reads a signed checkpoint; one of the keys has to have signed it, if there are any. */
export function checkNote(text: string, keys: readonly NoteKey[]): CheckedNote | NoteFault {
  try {
    const note = parseNote(text);
    const checkpoint = parseCheckpoint(note.text);
    if (keys.length === 0) return { checkpoint, by: undefined };
    for (const key of keys) {
      const isSigned = isSignedBy(note, key);
      if (isSigned === true) return { checkpoint, by: key.name };
      if (isSigned === false)
        return {
          kind: 'signature',
          fault: `the signature of ${key.name} does not fit the checkpoint of ${checkpoint.size} commits`,
        };
    }
    const names = note.signatures.map(({ name, id }) => `${name}+${id}`).join(', ');
    const wanted = keys.map(({ name, id }) => `${name}+${id}`).join(' or ');
    return {
      kind: 'signature',
      fault: `the checkpoint of ${checkpoint.size} commits is signed by ${names}, expected ${wanted}`,
    };
  } catch (error) {
    return { kind: 'checkpoint', fault: `the checkpoint cannot be read: ${(error as Error).message}` };
  }
}

/** The checkpoint that an event of the log is; `undefined` for another event, as a newer version may write. */
export function readCheckpoint(event: StoredEvent, keys: readonly NoteKey[]): CheckedNote | NoteFault | undefined {
  if (event.type !== 'LogCheckpointed') return undefined;
  const decoded = decodeEvent(event);
  if (!decoded.known) return { kind: 'checkpoint', fault: `the checkpoint cannot be read: ${decoded.problem}` };
  return decoded.type === 'LogCheckpointed' ? checkNote(decoded.data.note, keys) : undefined;
}
