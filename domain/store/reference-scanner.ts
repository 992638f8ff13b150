import { FormatError } from './format-error.ts';
import { base32Values } from './nix-base32.ts';
import { hashPartLength, isHashPart } from './store-path.ts';

/** Finds hash parts of store paths in a stream of bytes. */
export interface ReferenceScanner {
  write(chunk: Uint8Array): void;
  /** The candidates seen so far, sorted. */
  found(): string[];
}

/** Candidates are put in buckets by their last three characters, 15 bits. */
const bucketCount = 1 << 15;
const keyStart = hashPartLength - 3;
const overlap = hashPartLength - 1;
/** By the byte: 1 or 0. A table of this module is quicker than an imported one. */
const notBase32 = base32Values.map((value) => (value < 32 ? 0 : 1));

/**
 * Looks for the given 32-character hash parts anywhere in what is written, also across chunks.
 *
 * Steps like Boyer-Moore: a window of 32 bytes is read from its end, and the first byte that is not nix-base32 moves
 * the window behind it. In most data that looks at one byte in thirty. A window of base 32 alone is compared with the
 * candidates of its bucket in place, so that text made to look like hash parts does not slow it down much either.
 */
export function createReferenceScanner(candidates: Iterable<string>): ReferenceScanner {
  const parts = [...new Set(candidates)];
  for (const part of parts) {
    if (!isHashPart(part)) {
      throw new FormatError('malformed-store-path', `expected 32 nix-base32 characters to look for, got "${part}"`);
    }
  }
  const bytes = Buffer.from(parts.join(''), 'latin1');
  const seen = new Uint8Array(parts.length);
  /** First candidate of each bucket and, per candidate, the next one of its bucket; numbers from 1, 0 ends. */
  const first = new Uint32Array(bucketCount);
  const next = new Uint32Array(parts.length + 1);
  for (let index = 0; index < parts.length; index++) {
    const bucket = bucketAt(bytes, index * hashPartLength + keyStart);
    next[index + 1] = first[bucket] as number;
    first[bucket] = index + 1;
  }

  const seam = new Uint8Array(2 * overlap);
  let carried = 0;

  return { write, found };

  function write(chunk: Uint8Array): void {
    if (parts.length === 0) return;
    const head = Math.min(chunk.length, overlap);
    seam.set(chunk.subarray(0, head), carried);
    scan(seam, carried + head);
    if (chunk.length >= overlap) {
      scan(chunk, chunk.length);
      seam.set(chunk.subarray(chunk.length - overlap));
      carried = overlap;
    } else {
      const kept = Math.min(carried + head, overlap);
      seam.copyWithin(0, carried + head - kept, carried + head);
      carried = kept;
    }
  }

  function scan(data: Uint8Array, length: number): void {
    let last = hashPartLength - 1;
    while (last < length) {
      // Where that byte is none of base 32, as it mostly is, this is all: the loop is as small as can be.
      if (notBase32[data[last] as number] === 1) {
        last += hashPartLength;
        continue;
      }
      const start = last - hashPartLength + 1;
      let index = last - 1;
      while (index >= start && notBase32[data[index] as number] === 0) index--;
      // Nothing is looked at for the third time: a window that turns out to be base 32 is the first of its run.
      const next = index >= start ? index + 1 : scanRun(data, start, length);
      last = next + hashPartLength - 1;
    }
  }

  /** Compares every window from `start`, which is one, to the end of the run of base 32; returns where that is. */
  function scanRun(data: Uint8Array, start: number, length: number): number {
    let bucket = bucketAt(data, start + keyStart);
    for (let end = start + hashPartLength; ; end++) {
      const candidate = first[bucket] as number;
      if (candidate !== 0) compareAll(data, end - hashPartLength, candidate);
      if (end >= length) return end;
      const value = base32Values[data[end] as number] as number;
      if (value >= 32) return end;
      bucket = ((bucket << 5) & (bucketCount - 1)) | value;
    }
  }

  function compareAll(data: Uint8Array, at: number, candidates: number): void {
    for (let candidate = candidates; candidate !== 0; candidate = next[candidate] as number) {
      if (seen[candidate - 1] === 0 && matches(data, at, (candidate - 1) * hashPartLength)) seen[candidate - 1] = 1;
    }
  }

  function matches(data: Uint8Array, start: number, part: number): boolean {
    for (let index = 0; index < keyStart; index++) {
      if (data[start + index] !== bytes[part + index]) return false;
    }
    return true;
  }

  function found(): string[] {
    return parts.filter((_, index) => seen[index] === 1).sort();
  }
}

function bucketAt(data: Uint8Array, start: number): number {
  const high = base32Values[data[start] as number] as number;
  const middle = base32Values[data[start + 1] as number] as number;
  const low = base32Values[data[start + 2] as number] as number;
  return (high << 10) | (middle << 5) | low;
}
