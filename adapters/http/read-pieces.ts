import type { Pieces } from '../../coordinator/ports/pool.ts';
import type { SendBuffers } from './send-buffers.ts';

/** Bytes that one answer writes. */
export interface Piece {
  readonly bytes: Buffer;
  /** The answer needs it no more. Once, whatever becomes of it. */
  give(): void;
  /** The same where the system has not said that it is done with it: its memory is nobody's again. */
  forget(): void;
}

/** Reads the next of `left` bytes, of which there has to be one. Rejects with what reading fails with. */
export type ReadPiece = (pieces: Pieces, left: number) => Promise<Piece>;

/** What some answers write, or wait for. */
interface Shared {
  readonly buffer: Buffer;
  /** Place of its first byte in the file. */
  readonly start: number;
  /** How many were asked for. The system may have given fewer. */
  readonly length: number;
  readonly bytes: Promise<Buffer>;
  users: number;
  isForgotten: boolean;
}

/** Places where one piece of a file ends and another begins, so that answers which began at other ones come to have the same. */
const blockSize = 1024 * 1024;

/**
 * Where many ask for one file at once, as after an update all machines do, most of them are near each other in it: what one has read is written by
 * all who come to that place while one of them still writes it. So there is one read and one buffer for hundreds of answers, and none is kept for its own sake.
 */
export function createReadPiece(buffers: SendBuffers): ReadPiece {
  /** By file and block, what was read of it last. */
  const newest = new Map<string, Shared>();

  function release(shared: Shared, block: string | undefined): void {
    if (--shared.users > 0) return;
    if (block !== undefined && newest.get(block) === shared) newest.delete(block);
    if (shared.isForgotten) buffers.forget(shared.buffer);
    else buffers.give(shared.buffer);
  }

  function begin(pieces: Pieces, at: number, wanted: number): Shared {
    const buffer = buffers.take(wanted);
    const into = buffer.subarray(0, Math.min(buffer.length, wanted));
    return {
      buffer,
      start: at,
      length: into.length,
      bytes: pieces.next(into).then((length) => into.subarray(0, length)),
      users: 0,
      isForgotten: false,
    };
  }

  /** The bytes of it from there on, which are its user's; rejects where they could not be read. */
  async function use(shared: Shared, block: string | undefined, from: number, left: number): Promise<Piece> {
    shared.users++;
    try {
      const bytes = (await shared.bytes).subarray(from - shared.start).subarray(0, left);
      return {
        bytes,
        give: () => release(shared, block),
        forget() {
          shared.isForgotten = true;
          release(shared, block);
        },
      };
    } catch (error) {
      release(shared, block);
      throw error;
    }
  }

  return async (pieces, left) => {
    const { of } = pieces;
    if (of === undefined) return use(begin(pieces, 0, left), undefined, 0, left);
    const { at } = of;
    const block = `${Math.floor(at / blockSize)} ${of.name}`;
    const found = newest.get(block);
    if (found !== undefined && found.start <= at && at < found.start + found.length) {
      const piece = await use(found, block, at, left);
      of.at = at + piece.bytes.length;
      if (piece.bytes.length > 0) return piece;
      piece.give();
    }
    const own = begin(pieces, at, Math.min(left, blockSize - (at % blockSize)));
    newest.set(block, own);
    return use(own, block, at, left);
  };
}
