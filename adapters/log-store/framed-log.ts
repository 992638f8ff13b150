import type { FileHandle } from 'node:fs/promises';
import { promisify } from 'node:util';
import { constants, zstdCompress, zstdCompressSync, zstdDecompress } from 'node:zlib';

/**
 * A compressed log that can be read from any place: a frame of zstd for each part of it, and behind these a table of their lengths in a frame that
 * decompressors skip. `zstdcat` reads all of it. Source: Zstandard Seekable Format, version 0.1.0 (contrib/seekable_format of zstd); all
 * numbers are little-endian.
 */
export interface LogFrame {
  /** Where it begins in the file, and how long it is there. */
  readonly at: number;
  readonly length: number;
  /** The same of its bytes in the log. */
  readonly start: number;
  readonly size: number;
}

/** Bytes of the log in each frame but the last, which may have fewer: what is decompressed for the last line. */
export const frameBytes = 512 * 1024;

const skippableMagic = 0x184d2a5e;
const tableMagic = 0x8f92eab1;
const frameMagic = 0xfd2fb528;
/** Of a frame's descriptor, which comes after its magic number. */
const checksumFlag = 0x04;
const headBytes = 8;
const entryBytes = 8;
const footBytes = 9;

const compress = promisify(zstdCompress) as (bytes: Uint8Array, options: object) => Promise<Uint8Array>;
/** A frame says whether it is as it was written. */
const checked = { params: { [constants.ZSTD_c_checksumFlag]: 1 } };
const decompress = promisify(zstdDecompress) as (bytes: Uint8Array, options: object) => Promise<Uint8Array>;

export async function* compressInFrames(log: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const entries: Buffer[] = [];
  for await (const part of inParts(log)) {
    const frame = await compress(part, checked);
    entries.push(entryOf(frame, part));
    yield frame;
  }
  yield table(entries);
}

/** The same of a log that is in memory and has one frame, in this turn: for a few KiB, to have another thread do it takes longer. */
export function compressAtOnce(log: Uint8Array): Uint8Array {
  if (log.length > frameBytes) throw new RangeError(`expected ${frameBytes} bytes at most, got ${log.length}`);
  const frame = zstdCompressSync(log, checked);
  return Buffer.concat([frame, table([entryOf(frame, log)])]);
}

function entryOf(frame: Uint8Array, part: Uint8Array): Buffer {
  const entry = Buffer.alloc(entryBytes);
  entry.writeUInt32LE(frame.length, 0);
  entry.writeUInt32LE(part.length, 4);
  return entry;
}

function table(entries: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(headBytes);
  head.writeUInt32LE(skippableMagic, 0);
  head.writeUInt32LE(entries.length * entryBytes + footBytes, 4);
  const foot = Buffer.alloc(footBytes);
  foot.writeUInt32LE(entries.length, 0);
  foot.writeUInt32LE(tableMagic, 5);
  return Buffer.concat([head, ...entries, foot]);
}

/** Of {@link frameBytes} each, but for the last: a file may give less at a time than it is asked for. */
async function* inParts(log: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held: Uint8Array[] = [];
  let size = 0;
  for await (const piece of log) {
    for (let at = 0; at < piece.length; ) {
      const taken = piece.subarray(at, at + frameBytes - size);
      held.push(taken);
      at += taken.length;
      size += taken.length;
      if (size < frameBytes) continue;
      yield Buffer.concat(held, size);
      held = [];
      size = 0;
    }
  }
  if (size > 0) yield Buffer.concat(held, size);
}

/** The frames of a file in their order; `undefined` of one without their table, as older versions wrote it, or whose table is damaged. Where it fails it closes `file`. */
export async function framesOf(file: FileHandle): Promise<readonly LogFrame[] | undefined> {
  try {
    return await tableOf(file);
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function tableOf(file: FileHandle): Promise<readonly LogFrame[] | undefined> {
  const { size: end } = await file.stat();
  if (end < headBytes + footBytes) return undefined;
  const foot = await bytesAt(file, end - footBytes, footBytes);
  const count = foot.readUInt32LE(0);
  const tableLength = headBytes + count * entryBytes + footBytes;
  if (foot.readUInt32LE(5) !== tableMagic || foot[4] !== 0 || tableLength > end) return undefined;
  const table = await bytesAt(file, end - tableLength, tableLength);
  if (table.readUInt32LE(0) !== skippableMagic || table.readUInt32LE(4) !== tableLength - headBytes) return undefined;
  const frames: LogFrame[] = [];
  let [at, start] = [0, 0];
  for (let entry = headBytes; entry < tableLength - footBytes; entry += entryBytes) {
    const frame = { at, length: table.readUInt32LE(entry), start, size: table.readUInt32LE(entry + 4) };
    const isLast = entry + entryBytes === tableLength - footBytes;
    // Nothing else says that these are as they were written, and what comes after one would be told of as another place of the log.
    if (isLast ? frame.size > frameBytes : frame.size !== frameBytes) return undefined;
    frames.push(frame);
    at += frame.length;
    start += frame.size;
  }
  // Of anything else that ends so by chance the lengths do not add up.
  return at === end - tableLength ? frames : undefined;
}

/** Whether a file was begun in frames, with or without their table: each has a checksum then. Source: RFC 8878, section 3.1.1.1.1. */
export async function isFramed(file: FileHandle): Promise<boolean> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(5), 0, 5, 0);
  return bytesRead === 5 && buffer.readUInt32LE(0) === frameMagic && ((buffer[4] as number) & checksumFlag) !== 0;
}

/** Bytes of the log that a frame holds. */
export async function readFrame(file: FileHandle, { at, length, size }: LogFrame): Promise<Uint8Array> {
  const bytes = await decompress(await bytesAt(file, at, length), { maxOutputLength: Math.max(1, size) });
  if (bytes.length !== size)
    throw new Error(`expected ${size} bytes in the frame of a log at ${at}, got ${bytes.length}`);
  return bytes;
}

async function bytesAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let have = 0;
  while (have < length) {
    const { bytesRead } = await file.read(buffer, have, length - have, position + have);
    if (bytesRead === 0) throw new Error(`expected ${length} bytes at ${position} of a log, got ${have}`);
    have += bytesRead;
  }
  return buffer;
}
