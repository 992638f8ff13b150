import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createWireReader } from '../../../../adapters/builder/daemon/wire-reader.ts';
import { createWireWriter, frameHead } from '../../../../adapters/builder/daemon/wire-writer.ts';

async function* chunksOf(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
const readerOf = (bytes: Uint8Array, size = 5) => createWireReader(chunksOf(bytes, size));
const byteString = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('latin1'));

describe('the wire', () => {
  test('numbers are 64 bits, little-endian', () => {
    assert.equal(createWireWriter().u64(0x6e697863).take().toString('hex'), '6378696e00000000');
    assert.equal(createWireWriter().bool(true).take().toString('hex'), '0100000000000000');
    assert.equal(frameHead(258).toString('hex'), '0201000000000000');
  });

  test('strings have their length before and zeros after them', () => {
    const hex = createWireWriter().text('').text('abc').text('12345678').take().toString('hex');
    assert.equal(hex, '0000000000000000' + '03000000000000006162630000000000' + '08000000000000003132333435363738');
  });

  test('a text is bytes: latin1 and nothing else', () => {
    assert.equal(createWireWriter().text('\u00e9').take().subarray(8).toString('hex'), 'e900000000000000');
  });

  test('what is written is read, however it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(byteString, { maxLength: 5 }),
        fc.maxSafeNat(),
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        fc.integer({ min: 1, max: 30 }),
        async (texts, number, big, cut) => {
          const reader = readerOf(createWireWriter().texts(texts).u64(number).u64(big).text('end').take(), cut);
          assert.deepEqual(await reader.texts(), texts);
          assert.equal(await reader.u64(), number);
          assert.equal(await reader.u64big(), big);
          assert.equal(await reader.text(), 'end');
        },
      ),
    );
  });

  test('raw bytes come as they are there, and no more than asked for', async () => {
    const reader = readerOf(Buffer.from('0123456789'), 4);
    const seen: string[] = [];
    for (const most of [3, 3, 4, 4]) seen.push((await reader.some(most)).toString());
    assert.deepEqual(seen, ['012', '3', '4567', '89']);
  });

  for (const [what, bytes, pattern] of [
    [
      'a string longer than the limit',
      createWireWriter()
        .u64(2 ** 40)
        .take(),
      /up to/,
    ],
    [
      'a number that a double does not hold',
      createWireWriter()
        .u64(2n ** 63n)
        .take(),
      /below 2\^53/,
    ],
    ['padding that is not zero', Buffer.concat([createWireWriter().u64(1).take(), Buffer.from('aXXXXXXX')]), /zeros/],
    ['an end in the middle', createWireWriter().text('abcdef').take().subarray(0, 12), /closed/],
  ] as const) {
    test(`refuses ${what}`, async () => {
      await assert.rejects(readerOf(bytes).text(), pattern);
    });
  }

  test('refuses a list that is too long before it takes memory for it', async () => {
    await assert.rejects(
      readerOf(
        createWireWriter()
          .u64(2 ** 33)
          .take(),
      ).texts(),
      /list of up to/,
    );
  });
});
