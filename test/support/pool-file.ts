import { Readable } from 'node:stream';
import type { Pieces, PoolFile } from '../../coordinator/ports/pool.ts';

/** A file of a pool that was verified lately, in memory. */
export function poolFileOf(bytes: Uint8Array, modified = 0): PoolFile {
  return {
    name: 'file',
    size: bytes.length,
    modified,
    verified: true,
    pieces: async (start, end) => piecesOf(bytes.subarray(start, end)),
    read: (start, end) => Readable.from([bytes.subarray(start, end)]),
  };
}

function piecesOf(bytes: Uint8Array): Pieces {
  let at = 0;
  return {
    async next(into) {
      const part = bytes.subarray(at, at + into.length);
      into.set(part);
      at += part.length;
      return part.length;
    },
    close: async () => undefined,
  };
}
