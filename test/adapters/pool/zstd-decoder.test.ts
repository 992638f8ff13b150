import assert from 'node:assert/strict';
import { it } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { createZstdDecoder } from '../../../adapters/pool/filesystem/zstd-decoder.ts';
import { noise } from './nars.ts';

/** Said to be of that size. */
async function decoded(frames: readonly Uint8Array[], pieceSize: number, size?: number) {
  const out: Buffer[] = [];
  const lent: Uint8Array[] = [];
  const decoder = createZstdDecoder((chunk) => {
    out.push(Buffer.from(chunk));
    lent.push(chunk);
  }, size);
  const file = Buffer.concat(frames);
  for (let start = 0; start < file.length; start += pieceSize)
    await decoder.write(file.subarray(start, start + pieceSize));
  await decoder.end();
  decoder.close();
  return { bytes: Buffer.concat(out), lent };
}

const parts = [noise(500_000), Buffer.alloc(2_000_000, 'abc'), Buffer.alloc(0), noise(3), Buffer.alloc(1_048_576)];
const whole = Buffer.concat(parts);

for (const size of [undefined, 0, 100_000, whole.length, 1e12]) {
  it(`decodes the same whatever size is said (${size}), and in whatever pieces it comes`, async () => {
    for (const frames of [[zstdCompressSync(whole)], parts.map((part) => zstdCompressSync(part))])
      for (const pieceSize of [4_000, 333_333, 10_000_000])
        assert.ok(whole.equals((await decoded(frames, pieceSize, size)).bytes));
  });
}

it('frees what it lent when that was used, without the garbage collector', async () => {
  const large = Buffer.alloc(64 * 1024 * 1024, 'abcdefgh');
  const { bytes, lent } = await decoded([zstdCompressSync(large)], 10_000_000);
  assert.ok(large.equals(bytes));
  const kept = new Set(lent.map(({ buffer }) => buffer));
  const held = [...kept].reduce((sum, buffer) => sum + buffer.byteLength, 0);
  assert.ok(held <= 4 * 1024 * 1024, `held ${held} bytes`);
});
