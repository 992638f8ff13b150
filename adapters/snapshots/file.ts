import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import * as z from 'zod';
import type { FoldedTo, Snapshot } from '../../coordinator/ports/snapshots.ts';
import { syncDirectory, temporaryName, withPath } from '../data-dir/durable.ts';
import { roomBesideLog } from '../data-dir/free-space.ts';
import { decodePart, type EncodedPart, encodePart } from './codec.ts';

/**
 * A snapshot as a file: a line of JSON that says what it is of and which parts follow, the parts, and the SHA-256 of all before it. It is
 * believed as a whole or not at all.
 */
const magic = 'drover-snapshot';
const mostHeadBytes = 1024 * 1024;
const hashBytes = 32;
const bytesAtATime = 8 * 1024 * 1024;

const partSchema = z.object({
  name: z.string(),
  kind: z.enum(['int32', 'float64', 'float32', 'uint8', 'value']),
  bytes: z.int().min(0),
});
const headSchema = z.object({
  format: z.literal(magic),
  version: z.literal(1),
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
    storeDir: z.string(),
  }),
  parts: z.array(partSchema),
});

/** Why a file is no snapshot that can be begun with. */
export class SnapshotUnusable extends Error {
  override readonly name = 'SnapshotUnusable';
  /** Whether nobody will ever begin with it. */
  readonly damaged: boolean;
  constructor(message: string, damaged: boolean) {
    super(message);
    this.damaged = damaged;
  }
}

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
  const head: z.infer<typeof headSchema> = {
    format: magic,
    version: 1,
    fingerprint,
    foldedTo: { ...foldedTo, chain: { ...foldedTo.chain, subtrees: [...foldedTo.chain.subtrees] } },
    parts: encoded.map(({ name, kind, bytes }) => ({ name, kind, bytes: bytes.byteLength })),
  };
  const pieces = [Buffer.from(`${JSON.stringify(head)}\n`), ...encoded.map(({ bytes }) => bytes)];
  const size = pieces.reduce((sum, { byteLength }) => sum + byteLength, hashBytes);
  const room = await roomBesideLog(dirname(file));
  if (room !== undefined && room < size)
    throw new Error(`${file}: expected room for ${size} bytes beside the log, got ${room}`);
  const temporary = temporaryName(file);
  try {
    await writePieces(temporary, pieces);
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw withPath(error, file);
  }
  await syncDirectory(dirname(file));
  return size;
}

/** Durable when it resolves, with their SHA-256 behind them. */
async function writePieces(file: string, pieces: readonly Uint8Array[]): Promise<void> {
  const handle = await open(file, 'w', 0o600);
  try {
    const hash = createHash('sha256');
    for (const piece of pieces) {
      hash.update(piece);
      await handle.writeFile(piece);
    }
    await handle.writeFile(hash.digest());
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** @throws SnapshotUnusable, or what the file system says. */
export async function readSnapshot(file: string, fingerprint: string): Promise<Snapshot> {
  const handle = await open(file, 'r');
  try {
    const hash = createHash('sha256');
    const { size } = await handle.stat();
    const { head, length } = await readHead(handle, hash);
    if (head.fingerprint !== fingerprint)
      throw new SnapshotUnusable(`${file} was written by a program that folds otherwise`, false);
    const expected = head.parts.reduce((sum, { bytes }) => sum + bytes, length + hashBytes);
    if (size !== expected) throw new SnapshotUnusable(`${file}: expected ${expected} bytes, got ${size}`, true);
    const encoded: EncodedPart[] = [];
    let at = length;
    for (const { name, kind, bytes } of head.parts) {
      const piece = await readPiece(handle, at, bytes, hash);
      encoded.push({ name, kind, bytes: piece });
      at += bytes;
    }
    if (!(await readPiece(handle, at, hashBytes)).equals(hash.digest()))
      throw new SnapshotUnusable(`${file}: its content is not what was written`, true);
    const { firstUnknown, unlinkedFrom, ...foldedTo } = head.foldedTo;
    return {
      name: file,
      foldedTo: { ...foldedTo, firstUnknown, unlinkedFrom },
      parts: new Map(encoded.map((part) => [part.name, decodePart(part)])),
    };
  } finally {
    await handle.close();
  }
}

async function readHead(handle: FileHandle, hash: Hash): Promise<{ head: z.infer<typeof headSchema>; length: number }> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(mostHeadBytes), 0, mostHeadBytes, 0);
  const end = buffer.subarray(0, bytesRead).indexOf('\n');
  const line = buffer.subarray(0, end + 1);
  hash.update(line);
  let parsed: ReturnType<typeof headSchema.safeParse>;
  try {
    parsed = headSchema.safeParse(JSON.parse(line.toString()));
  } catch {
    throw new SnapshotUnusable('it does not begin as a snapshot does', true);
  }
  if (!parsed.success) throw new SnapshotUnusable(`its head: ${z.prettifyError(parsed.error)}`, false);
  return { head: parsed.data, length: line.length };
}

async function readPiece(handle: FileHandle, position: number, length: number, hash?: Hash): Promise<Buffer> {
  // Of its own, so that columns can stay where they were read to.
  const piece = Buffer.from(new ArrayBuffer(length));
  let hashed = 0;
  for (let done = 0; done < length; ) {
    const reading = handle.read(piece, done, Math.min(length - done, bytesAtATime), position + done);
    // While the system reads what comes next.
    hash?.update(piece.subarray(hashed, done));
    hashed = done;
    const { bytesRead } = await reading;
    if (bytesRead === 0) throw new SnapshotUnusable('it ends too early', true);
    done += bytesRead;
  }
  hash?.update(piece.subarray(hashed));
  return piece;
}
