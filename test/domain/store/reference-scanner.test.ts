import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createReferenceScanner } from '../../../domain/store/reference-scanner.ts';
import { formatError } from '../../support/fixtures.ts';

const base32 = '0123456789abcdfghijklmnpqrsvwxyz';
/** Few letters, so that parts overlap and nearly match often. */
const part = (alphabet: string) => fc.string({ unit: fc.constantFrom(...alphabet), minLength: 32, maxLength: 32 });

function scan(candidates: Iterable<string>, chunks: Iterable<Uint8Array>): string[] {
  const scanner = createReferenceScanner(candidates);
  for (const chunk of chunks) scanner.write(chunk);
  return scanner.found();
}

/** Cuts at the given fractions of the length. */
function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let at = 0;
  for (let turn = 0; at < bytes.length; turn++) {
    const size = Math.max(1, sizes[turn % sizes.length] ?? 1);
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

for (const alphabet of ['0', '0z', base32]) {
  test(`finds what a plain search finds, however it is chunked (letters ${alphabet})`, () => {
    const candidates = fc.uniqueArray(part(alphabet), { minLength: 1, maxLength: 8 });
    const filler = fc.string({
      unit: fc.constantFrom(...alphabet, ...alphabet, '-', 'e', '\0', '\xff'),
      maxLength: 70,
    });
    fc.assert(
      fc.property(
        candidates,
        fc.array(fc.oneof(filler, fc.nat(7), fc.tuple(fc.nat(7), fc.nat(31))), { maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 1 }),
        (parts, pieces, sizes) => {
          const pick = (index: number) => parts[index % parts.length] ?? '';
          const text = pieces
            .map((piece) =>
              typeof piece === 'string'
                ? piece
                : typeof piece === 'number'
                  ? pick(piece)
                  : pick(piece[0]).slice(0, piece[1]),
            )
            .join('');
          const expected = parts.filter((candidate) => text.includes(candidate)).sort();
          assert.deepEqual(scan(parts, cut(Buffer.from(text, 'latin1'), sizes)), expected);
        },
      ),
      { numRuns: 500 },
    );
  });
}

test('nothing to look for finds nothing', () => {
  assert.deepEqual(scan([], [Buffer.from('0'.repeat(64))]), []);
});

test('refuses a candidate that is no hash part', () => {
  for (const bad of ['', '0'.repeat(31), 'e'.repeat(32)]) {
    assert.throws(() => createReferenceScanner([bad]), formatError('malformed-store-path', /expected 32/));
  }
});
