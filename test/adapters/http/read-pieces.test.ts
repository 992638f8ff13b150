import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createReadPiece } from '../../../adapters/http/read-pieces.ts';
import { createSendBuffers, type SendBuffers } from '../../../adapters/http/send-buffers.ts';
import type { Pieces } from '../../../coordinator/ports/pool.ts';

const MiB = 2 ** 20;
const content = Buffer.from(Uint8Array.from({ length: 3 * MiB + 17 }, (_, at) => (at * 31) ^ (at >> 8)));

/** How often it is read, and of which the system gives at most so many bytes at once, or nothing but an error. */
interface File {
  reads: number;
  readonly most: number;
  readonly isBroken: boolean;
}

function piecesOf(file: File, start: number, end: number, name: string | undefined): Pieces {
  const place = { name: name ?? '', at: start };
  return {
    ...(name !== undefined && { of: place }),
    async next(into) {
      file.reads++;
      const { at } = place;
      // As a read takes a while, others come meanwhile.
      await new Promise(setImmediate);
      if (file.isBroken) throw new Error('EIO');
      const length = content.copy(into, 0, at, Math.min(end, at + Math.min(into.length, file.most)));
      place.at = at + length;
      return length;
    },
    close: async () => {},
  };
}

/** Those that nobody has given back. */
function countedBuffers(): SendBuffers & { readonly out: Set<Buffer> } {
  const buffers = createSendBuffers();
  const out = new Set<Buffer>();
  const back = (buffer: Buffer): void => assert.ok(out.delete(buffer), 'it was out');
  return {
    out,
    take(wanted) {
      const buffer = buffers.take(wanted);
      out.add(buffer);
      return buffer;
    },
    give(buffer) {
      back(buffer);
      buffers.give(buffer);
    },
    forget(buffer) {
      back(buffer);
      buffers.forget(buffer);
    },
  };
}

/** All that one answer reads, of which it holds two pieces at a time, as it reads one while it writes another. */
async function readAll(read: ReturnType<typeof createReadPiece>, pieces: Pieces, length: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let left = length;
  let held: Awaited<ReturnType<typeof read>> | undefined;
  while (left > 0) {
    const piece = await read(pieces, left);
    assert.ok(piece.bytes.length > 0 && piece.bytes.length <= left);
    left -= piece.bytes.length;
    if (held !== undefined) {
      parts.push(Buffer.from(held.bytes));
      held.give();
    }
    held = piece;
  }
  if (held !== undefined) {
    parts.push(Buffer.from(held.bytes));
    held.forget();
  }
  return Buffer.concat(parts);
}

describe('pieces of a file that many send', () => {
  it('are read once for all who are at the same place', async () => {
    const buffers = countedBuffers();
    const read = createReadPiece(buffers);
    const file = { reads: 0, most: MiB, isBroken: false };
    const all = Array.from({ length: 100 }, () =>
      readAll(read, piecesOf(file, 0, content.length, 'file'), content.length),
    );
    for (const got of await Promise.all(all)) assert.ok(got.equals(content));
    assert.equal(file.reads, 4);
    assert.equal(buffers.out.size, 0);
  });

  it('are each one’s own where they have to be verified', async () => {
    const read = createReadPiece(createSendBuffers());
    const file = { reads: 0, most: MiB, isBroken: false };
    const all = Array.from({ length: 3 }, () => readAll(read, piecesOf(file, 0, MiB, undefined), MiB));
    for (const got of await Promise.all(all)) assert.ok(got.equals(content.subarray(0, MiB)));
    assert.equal(file.reads, 3);
  });

  it('are what is there, wherever readers begin and end and however little the system gives, and all memory comes back', async () => {
    const place = fc.oneof(fc.nat(content.length), fc.constantFrom(0, MiB, MiB - 1, 2 * MiB + 1));
    const reader = fc.tuple(place, place, fc.constantFrom('one', 'other', undefined));
    await fc.assert(
      fc.asyncProperty(
        fc.array(reader, { minLength: 1, maxLength: 12 }),
        fc.constantFrom(MiB, 300_000, 70_000),
        async (readers, most) => {
          const buffers = countedBuffers();
          const read = createReadPiece(buffers);
          const file = { reads: 0, most, isBroken: false };
          await Promise.all(
            readers.map(async ([one, other, name]) => {
              const [start, end] = [Math.min(one, other), Math.max(one, other)];
              const got = await readAll(read, piecesOf(file, start, end, name), end - start);
              assert.ok(got.equals(content.subarray(start, end)));
            }),
          );
          assert.equal(buffers.out.size, 0);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('fail for all who wait for them where they cannot be read, and the next one reads them anew', async () => {
    const buffers = countedBuffers();
    const read = createReadPiece(buffers);
    const broken = { reads: 0, most: MiB, isBroken: true };
    const all = await Promise.allSettled(
      Array.from({ length: 3 }, () => read(piecesOf(broken, 0, content.length, 'file'), content.length)),
    );
    for (const { status } of all) assert.equal(status, 'rejected');
    assert.equal(broken.reads, 1);
    assert.equal(buffers.out.size, 0);
    const file = { reads: 0, most: MiB, isBroken: false };
    assert.ok((await readAll(read, piecesOf(file, 0, MiB, 'file'), MiB)).equals(content.subarray(0, MiB)));
  });
});
