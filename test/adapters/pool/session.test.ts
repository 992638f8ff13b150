import assert from 'node:assert/strict';
import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { openSession } from '../../../adapters/pool/filesystem/session.ts';
import { declarationOf, narOf, noise, sha256Of } from './nars.ts';
import { temporaryFolder } from './pools.ts';

const pieceSize = 300_000;
const nar = await narOf({ a: noise(700_000), b: Buffer.alloc(3_000_000, 'abcdefgh'), c: noise(900_000) });
const halves = [nar.subarray(0, 1_700_001), nar.subarray(1_700_001)].map((half) => zstdCompressSync(half));
const files = { none: nar, zstd: zstdCompressSync(nar), 'zstd of two frames': Buffer.concat(halves) };

function piecesOf(bytes: Buffer): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / pieceSize) }, (_, index) =>
    bytes.subarray(index * pieceSize, (index + 1) * pieceSize),
  );
}

async function emptyPart(folder: string): Promise<string> {
  const part = join(folder, 'part');
  await writeFile(part, '');
  return part;
}

describe('a session that is given pieces before it has done with those before', () => {
  for (const [name, file] of Object.entries(files)) {
    it(`writes and verifies them in their order (${name})`, async () => {
      await using folder = await temporaryFolder();
      const part = await emptyPart(folder.path);
      const session = await openSession(part, false, declarationOf(nar, file));
      const pieces = piecesOf(file);
      assert.ok(pieces.length > 4);
      await Promise.all(pieces.map((piece) => session.write(piece)));
      assert.equal((await session.finish()).fileHash, sha256Of(file));
      await session.close();
      assert.deepEqual(await readFile(part), file);
    });

    it(`answers all of them where one is bad, and can be closed (${name})`, async () => {
      const pieces = piecesOf(file);
      for (let bad = 0; bad < pieces.length; bad++) {
        await using folder = await temporaryFolder();
        const session = await openSession(await emptyPart(folder.path), false, declarationOf(nar, file));
        const sent = pieces.map((piece, index) => (index === bad ? Buffer.alloc(piece.length, 'x') : piece));
        const outcomes = await Promise.allSettled(sent.map((piece) => session.write(piece)));
        const first = outcomes.find((outcome) => outcome.status === 'rejected');
        // Some flaws show in the hash alone.
        if (first === undefined) await assert.rejects(session.finish(), { name: 'Refused' });
        else assert.equal(first.reason.name, 'Refused');
        if (first !== undefined) assert.equal(outcomes.at(-1)?.status, 'rejected');
        await session.close();
      }
    });
  }

  it('answers all of them where it is closed meanwhile', async () => {
    await using folder = await temporaryFolder();
    const session = await openSession(await emptyPart(folder.path), false, declarationOf(nar, files.zstd));
    const writes = piecesOf(files.zstd).map((piece) => session.write(piece));
    const settled = Promise.allSettled(writes);
    await session.close();
    assert.ok((await settled).some((outcome) => outcome.status === 'rejected'));
  });
});

it('a failure of the disk that was told early is not forgotten, though it is told once', async (context) => {
  await using folder = await temporaryFolder();
  const part = await emptyPart(folder.path);
  const handle = await open(part);
  const { datasync } = handle;
  const prototype = Object.getPrototypeOf(handle);
  await handle.close();
  const error = new Error('EIO: i/o error, fdatasync');
  const synced = context.mock.method(prototype, 'datasync', function (this: typeof handle) {
    return synced.mock.callCount() === 0 ? Promise.reject(error) : datasync.call(this);
  });
  const large = await narOf(Buffer.alloc(64 * 1024 * 1024, 'abcdefgh'));
  const session = await openSession(part, false, declarationOf(large, large));
  for (let at = 0; at < large.length; at += 1024 * 1024)
    await session.write(new Uint8Array(large.subarray(at, at + 1024 * 1024)));
  assert.ok(synced.mock.callCount() > 1);
  await assert.rejects(session.finish(), error);
  await session.close();
});
