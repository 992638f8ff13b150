import { hash } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import * as z from 'zod';
import { DroverError } from '../../coordinator/errors.ts';
import type { FoldedTo, Snapshot } from '../../coordinator/ports/snapshots.ts';
import { syncDirectory, temporaryName, withPath } from '../data-dir/durable.ts';
import { roomBesideLog } from '../data-dir/free-space.ts';
import { giveToOwner } from '../data-dir/owner.ts';
import { decodePart, encodePart } from './codec.ts';

/**
 * A snapshot as a file: a line of JSON, its head, that says what it is of and which parts follow, each with its SHA-256; a line with the
 * SHA-256 of the head; and the parts. So each part is known to be what was written once it is read, and is loaded while others are read.
 */
const magic = 'drover-snapshot';
const mostHeadBytes = 1024 * 1024;
/** In hexadecimal, with the end of its line. */
const hashLineBytes = 65;
/** Of parts that are read before they are asked for: while one is loaded, which is done in one turn, the next ones come. */
const mostBytesAhead = 128 * 1024 * 1024;
/** The system reads no more at a time than a little less than twice as much. */
const mostBytesAtATime = 1024 ** 3;

const partSchema = z.object({
  name: z.string(),
  kind: z.enum(['int32', 'float64', 'float32', 'uint8', 'value']),
  bytes: z.int().min(0),
  sha256: z.string(),
});
type PartHead = z.infer<typeof partSchema>;
const headSchema = z.object({
  format: z.literal(magic),
  version: z.literal(2),
  fingerprint: z.string(),
  foldedTo: z.object({
    mark: z.object({
      stream: z.templateLiteral([z.string(), '-', z.string()]),
      revision: z.int().min(0),
      commit: z.string(),
      position: z.string(),
    }),
    chain: z.object({ size: z.int().min(0), subtrees: z.array(z.string()), last: z.string() }),
    events: z.int().min(0),
    unknown: z.int().min(0),
    firstUnknown: z.string().optional(),
    hasLinks: z.boolean(),
    unlinkedFrom: z.string().optional(),
    storeDir: z.string().optional(),
  }),
  parts: z.array(partSchema),
});
type Head = z.infer<typeof headSchema>;

/**
 * Writes the file, durable and whole or not at all. Gives its size in bytes.
 *
 * @throws where it would take room that the log needs, before anything is written
 */
export async function writeSnapshot(
  file: string,
  fingerprint: string,
  foldedTo: FoldedTo,
  parts: Iterable<readonly [name: string, saved: unknown]>,
): Promise<number> {
  const encoded = Array.from(parts, ([name, saved]) => encodePart(name, saved));
  const head: Head = {
    format: magic,
    version: 2,
    fingerprint,
    foldedTo: { ...foldedTo, chain: { ...foldedTo.chain, subtrees: [...foldedTo.chain.subtrees] } },
    parts: encoded.map(({ name, kind, bytes }) => ({ name, kind, bytes: bytes.byteLength, sha256: sha256(bytes) })),
  };
  const line = `${JSON.stringify(head)}\n`;
  const pieces = [Buffer.from(`${line}${sha256(line)}\n`), ...encoded.map(({ bytes }) => bytes)];
  const size = pieces.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const room = await roomBesideLog(dirname(file));
  if (room !== undefined && room < size)
    throw new DroverError('disk-full', `${file}: expected room for ${size} bytes beside the log, got ${room}`);
  // Another process may write one of the same place in the log.
  const temporary = temporaryName(`${file}.${process.pid}`);
  try {
    await writePieces(temporary, pieces);
    await giveToOwner(temporary, dirname(file));
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw withPath(error, file);
  }
  await syncDirectory(dirname(file));
  return size;
}

/** The process that writes what has this temporary name. */
export function writerOf(name: string): number | undefined {
  const [, pid] = /\.snapshot\.(\d+)\./.exec(name) ?? [];
  return pid === undefined ? undefined : Number(pid);
}

const sha256 = (content: string | Uint8Array): string => hash('sha256', content);

/** Durable when it resolves. */
async function writePieces(file: string, pieces: readonly Uint8Array[]): Promise<void> {
  const handle = await open(file, 'w', 0o600);
  try {
    for (const piece of pieces) await handle.writeFile(piece);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Reads what it is of; its parts as they are asked for.
 *
 * @throws where it is damaged or of a program that folds otherwise, without its name; so do its parts, at the first that is damaged.
 */
export async function readSnapshot(file: string, fingerprint: string): Promise<Snapshot> {
  const { head } = await reading(file, readHead);
  if (head.fingerprint !== fingerprint) throw new Error('it was written by a program that folds otherwise');
  const { firstUnknown, unlinkedFrom, storeDir, ...foldedTo } = head.foldedTo;
  return {
    name: file,
    foldedTo: { ...foldedTo, firstUnknown, unlinkedFrom, storeDir },
    parts: { [Symbol.asyncIterator]: () => readParts(file) },
  };
}

async function reading<Read>(file: string, read: (handle: FileHandle) => Promise<Read>): Promise<Read> {
  const handle = await open(file, 'r');
  try {
    return await read(handle);
  } finally {
    await handle.close();
  }
}

async function readHead(handle: FileHandle): Promise<{ head: Head; length: number }> {
  const most = mostHeadBytes + hashLineBytes;
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(most), 0, most, 0);
  const end = buffer.subarray(0, bytesRead).indexOf('\n') + 1;
  const line = buffer.toString('utf8', 0, end);
  const length = end + hashLineBytes;
  if (buffer.toString('latin1', end, length) !== `${sha256(line)}\n`)
    throw new Error('its head is not what was written, or is of another version');
  const parsed = headSchema.safeParse(JSON.parse(line));
  if (!parsed.success) throw new Error(`its head: ${z.prettifyError(parsed.error)}`);
  const { size } = await handle.stat();
  const expected = parsed.data.parts.reduce((sum, { bytes }) => sum + bytes, length);
  if (size !== expected) throw new Error(`expected ${expected} bytes, got ${size}`);
  return { head: parsed.data, length };
}

async function* readParts(file: string): AsyncGenerator<readonly [name: string, saved: unknown]> {
  const handle = await open(file, 'r');
  const ahead: { readonly part: PartHead; readonly piece: Promise<Buffer> }[] = [];
  try {
    const { head, length } = await readHead(handle);
    let at = length;
    let bytesAhead = 0;
    let begun = 0;
    for (let done = 0; done < head.parts.length; done++) {
      for (; begun < head.parts.length && (begun === done || bytesAhead < mostBytesAhead); begun++) {
        const part = head.parts[begun] as PartHead;
        const piece = readPiece(handle, at, part.bytes);
        // It is awaited when its turn comes.
        piece.catch(() => undefined);
        ahead.push({ part, piece });
        at += part.bytes;
        bytesAhead += part.bytes;
      }
      const next = ahead.shift() as (typeof ahead)[number];
      const { name, kind, bytes, sha256: expected } = next.part;
      const piece = await next.piece;
      bytesAhead -= bytes;
      if (sha256(piece) !== expected) throw new Error(`${name} is not what was written`);
      yield [name, decodePart({ name, kind, bytes: piece })];
    }
  } finally {
    await Promise.allSettled(ahead.map(({ piece }) => piece));
    await handle.close();
  }
}

async function readPiece(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  // Of its own, so that columns can stay where they were read to.
  const piece = Buffer.from(new ArrayBuffer(length));
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(piece, done, Math.min(length - done, mostBytesAtATime), position + done);
    if (bytesRead === 0) throw new Error('it ends too early');
    done += bytesRead;
  }
  return piece;
}
