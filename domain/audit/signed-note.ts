import { hash, type KeyObject, sign, verify } from 'node:crypto';
import {
  base64,
  privateKey,
  publicBytesOf,
  publicKey,
  publicLength,
  seedLength,
  signatureLength,
} from '../store/ed25519.ts';
import { excerpt, FormatError } from '../store/format-error.ts';

/**
 * Texts that are signed so that anybody can read them: C2SP signed notes with Ed25519 signatures (https://c2sp.org/signed-note), and keys in
 * the text form that Go's `golang.org/x/mod/sumdb/note` gave them.
 */
export interface NoteKey {
  readonly name: string;
  /** First 4 bytes of SHA-256 of the name, a line break, 0x01 and the public key; base 16. */
  readonly id: string;
  readonly key: KeyObject;
}

/** Type of signature, beside the key and in its id: Ed25519. */
const ed25519 = 1;
const idLength = 4;
const secretStart = 'PRIVATE+KEY+';
/** Longest note that is read: a checkpoint, and the signatures of more witnesses than there are. */
const longestNote = 64 * 1024;

/** What may be a key's name, and a log's: no white space, and no `+`. */
export const noteName = /^[^\s+]{1,255}$/u;

/**
 * A new key pair, `PRIVATE+KEY+<name>+<id>+<base64>` and `<name>+<id>+<base64>`.
 *
 * @param seed 32 random bytes; whoever has them has the secret key.
 */
export function generateNoteKey(name: string, seed: Uint8Array): { readonly secret: string; readonly public: string } {
  if (!noteName.test(name)) throw malformed(`expected a name without white space and "+", got ${excerpt(name)}`);
  if (seed.length !== seedLength) throw malformed(`expected a seed of ${seedLength} bytes, got ${seed.length}`);
  const key = privateKey(seed);
  const secret = Buffer.concat([Buffer.of(ed25519), seed]).toString('base64');
  return {
    secret: `${secretStart}${name}+${idOf(name, publicBytesOf(key))}+${secret}`,
    public: noteKeyText({ name, key }),
  };
}

/** Reads a secret key. The text itself is in no error. */
export function parseNoteSecret(text: string): NoteKey {
  const trimmed = text.trim();
  const { name, id, bytes } = trimmed.startsWith(secretStart)
    ? takeApart(trimmed.slice(secretStart.length), seedLength)
    : takeApart('', seedLength);
  const key = privateKey(bytes);
  return checked({ name, id, key }, publicBytesOf(key));
}

/** Reads a public key. */
export function parseNoteKey(text: string): NoteKey {
  const { name, id, bytes } = takeApart(text.trim(), publicLength);
  return checked({ name, id, key: publicKey(bytes) }, bytes);
}

/** The text of the public half of a key. */
export function noteKeyText({ name, key }: Pick<NoteKey, 'name' | 'key'>): string {
  const bytes = publicBytesOf(key);
  return `${name}+${idOf(name, bytes)}+${Buffer.concat([Buffer.of(ed25519), bytes]).toString('base64')}`;
}

/** @param text of whole lines, without control characters. */
export function signNote(text: string, { name, id, key }: NoteKey): string {
  const signature = sign(null, Buffer.from(text), key);
  return `${text}\n— ${name} ${Buffer.concat([Buffer.from(id, 'hex'), signature]).toString('base64')}\n`;
}

/** A note whose signatures are not looked at yet: never to be taken for true before {@link isSignedBy} said so. */
export interface Note {
  readonly text: string;
  readonly signatures: readonly { readonly name: string; readonly id: string; readonly bytes: Buffer }[];
}

/** Takes a note apart; signatures of kinds that are not known are kept, as there may be any. Throws a FormatError for what is no note. */
export function parseNote(note: string): Note {
  const split = note.lastIndexOf('\n\n');
  const isText = note.length <= longestNote && note.isWellFormed() && !/[^\P{Cc}\n]/u.test(note);
  if (!isText || split < 1 || !note.endsWith('\n'))
    throw new FormatError('malformed-note', 'expected a signed note: lines, an empty line, and signatures');
  const signatures = note
    .slice(split + 2, -1)
    .split('\n')
    .map((line) => {
      const [, name, encoded] = /^— ([^\s+]+) ([0-9A-Za-z+/]+={0,2})$/u.exec(line) ?? [];
      const bytes = Buffer.from(encoded ?? '', 'base64');
      if (name === undefined || bytes.length <= idLength)
        throw new FormatError('malformed-note', `expected a signature, "— <name> <base64>", got ${excerpt(line)}`);
      return { name, id: bytes.toString('hex', 0, idLength), bytes: bytes.subarray(idLength) };
    });
  return { text: note.slice(0, split + 1), signatures };
}

/** Whether the key signed the text: `undefined` if there is no signature of it, `false` if there is one that does not fit. */
export function isSignedBy({ text, signatures }: Note, { name, id, key }: NoteKey): boolean | undefined {
  const ours = signatures.filter((one) => one.name === name && one.id === id);
  if (ours.length === 0) return undefined;
  return ours.every(({ bytes }) => bytes.length === signatureLength && verify(null, Buffer.from(text), key, bytes));
}

function idOf(name: string, publicBytes: Uint8Array): string {
  const bytes = Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(ed25519), publicBytes]);
  return hash('sha256', bytes, 'buffer').toString('hex', 0, idLength);
}

function takeApart(text: string, length: number): { name: string; id: string; bytes: Buffer } {
  const [, name, id, encoded = ''] = /^([^\s+]+)\+([0-9a-f]{8})\+(\S+)$/u.exec(text) ?? [];
  const bytes = base64(encoded, 1 + length);
  if (name === undefined || id === undefined || bytes?.[0] !== ed25519)
    throw malformed(
      `expected an Ed25519 key, <name>+<id>+<base64 of 0x01 and ${length} bytes>, got ${text.length} other characters`,
    );
  return { name, id, bytes: bytes.subarray(1) };
}

function checked(key: NoteKey, publicBytes: Uint8Array): NoteKey {
  const id = idOf(key.name, publicBytes);
  if (id !== key.id) throw malformed(`expected the id ${id}, which goes with the name and the key, got ${key.id}`);
  return key;
}

function malformed(message: string): FormatError {
  return new FormatError('malformed-key', message);
}
