import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseTraceparent, spanIdOf, traceIdOf, traceparentOf } from '../../domain/trace-context.ts';

const hex = (length: number) =>
  fc
    .uint8Array({ minLength: length, maxLength: length })
    .filter((bytes) => bytes.some((byte) => byte !== 0))
    .map((bytes) => Buffer.from(bytes).toString('hex'));

describe('traceparent', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(hex(16), hex(8), fc.boolean(), (traceId, spanId, sampled) => {
        const context = { traceId, spanId, sampled };
        assert.deepEqual(parseTraceparent(traceparentOf(context)), context);
      }),
    );
  });

  it('has ids that depend on their key alone', () => {
    assert.match(traceparentOf({ traceId: traceIdOf('a'), spanId: spanIdOf('a'), sampled: true }), /^00-ca978112/);
    assert.notEqual(spanIdOf('a'), spanIdOf('b'));
  });

  // Cases of the W3C's own test suite, trace-context/test/test.py.
  const ids = '12345678901234567890123456789012-1234567890123456';
  const cases: readonly (readonly [text: string | undefined, taken: boolean])[] = [
    [`00-${ids}-01`, true],
    [`cc-${ids}-01`, true],
    [`cc-${ids}-01-what-the-future-will-be-like`, true],
    [`cc-${ids}-01.what-the-future-will-not-be-like`, false],
    [`ff-${ids}-01`, false],
    [`.0-${ids}-01`, false],
    [`0-${ids}-01`, false],
    [`00-${'0'.repeat(32)}-1234567890123456-01`, false],
    ['00-12345678901234567890123456789012-0000000000000000-01', false],
    ['00-.2345678901234567890123456789012-1234567890123456-01', false],
    [`00-${ids}-1`, false],
    [`00-${ids}-.0`, false],
    [`00-${ids}-01-`, false],
    [`00-${ids}-01-more`, false],
    [`00-${ids.replace('1234', 'ABCD')}-01`, false],
    [`00-${ids}-01, 00-${ids}-01`, false],
    ['', false],
    [undefined, false],
  ];
  for (const [text, taken] of cases)
    it(`${taken ? 'takes' : 'ignores'} ${text}`, () => assert.equal(parseTraceparent(text) !== undefined, taken));
});
