import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { FileDamaged, type Pieces } from '../../../coordinator/ports/pool.ts';
import { encodeNixBase32 } from '../../../domain/store/nix-base32.ts';

export interface Check {
  /** `sha256:<nix-base32>` of the whole file. */
  readonly hash: string;
  /** Called where the hash is right. */
  sound(): void;
}

const readSize = 256 * 1024;

/**
 * Bytes [start, end) of an open file, which is closed with them. With a check, which is for a whole file, it is hashed while it is read: where
 * the hash is another the last bytes are not given, so that no reader takes the file for whole.
 *
 * @param of the same, or the name of the file where it was verified
 */
export function piecesOf(file: FileHandle, start: number, end: number, of?: Check | string): Pieces {
  const check = typeof of === 'string' ? undefined : of;
  const digest = check && createHash('sha256');
  const place = { name: typeof of === 'string' ? of : '', at: start };
  return {
    ...(typeof of === 'string' && { of: place }),
    async next(into) {
      const { at } = place;
      if (at >= end) return 0;
      const { bytesRead } = await file.read(into, 0, Math.min(into.length, end - at), at);
      if (bytesRead === 0) throw new FileDamaged(`expected a file of at least ${end} bytes, got ${at}`);
      digest?.update(into.subarray(0, bytesRead));
      place.at = at + bytesRead;
      if (place.at === end && digest !== undefined) {
        const got = `sha256:${encodeNixBase32(digest.digest())}`;
        if (got !== check?.hash) throw new FileDamaged(`expected a file with ${check?.hash}, got ${got}`);
        check.sound();
      }
      return bytesRead;
    },
    close: () => file.close(),
  };
}

/** The same as a stream, which opens them when it is read. */
export function streamOf(open: () => Promise<Pieces>): Readable {
  async function* chunks() {
    const pieces = await open();
    try {
      for (;;) {
        const buffer = Buffer.allocUnsafeSlow(readSize);
        const length = await pieces.next(buffer);
        if (length === 0) return;
        yield buffer.subarray(0, length);
      }
    } finally {
      await pieces.close();
    }
  }
  return Readable.from(chunks(), { objectMode: false, highWaterMark: readSize });
}
