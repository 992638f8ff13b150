import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  deepestExpression,
  formatSExpression,
  isSameExpression,
  longestExpression,
  parseSExpression,
  type SExpression,
} from '../../../domain/guix/s-expression.ts';
import { formatError } from '../../support/fixtures.ts';

const expression: fc.Arbitrary<SExpression> = fc.letrec<{ value: SExpression; list: SExpression }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.uint8Array({ maxLength: 40 }),
    fc.constantFrom('a', 'Ed25519', '-', '1', 'a b', 'x\0y', '"', '\\').map((text) => Buffer.from(text, 'latin1')),
    tie('list'),
  ),
  list: fc.array(tie('value'), { maxLength: 5 }),
})).value;

/** The form without any freedom, which libgcrypt calls canonical. */
function canonical(value: SExpression): string {
  if (value instanceof Uint8Array) return `${value.length}:${Buffer.from(value).toString('latin1')}`;
  return `(${value.map(canonical).join('')})`;
}

test('reading undoes both ways of writing', () => {
  fc.assert(
    fc.property(expression, (value) => {
      for (const text of [formatSExpression(value), canonical(value)]) {
        assert.ok(isSameExpression(parseSExpression(text), value), text);
      }
    }),
  );
});

test('any text is read or refused with its place', () => {
  const piece = fc.constantFrom('(', ')', '#', '"', '\\', ' ', '\r\n', '3:', 'a', '0', '4f', '\0', 'é', '☃', '|', '[');
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const text = pieces.join('');
      try {
        const value = parseSExpression(text);
        assert.ok(isSameExpression(parseSExpression(formatSExpression(value)), value));
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'malformed-s-expression', String(error));
        const { offset } = error as { offset: number };
        assert.ok(offset >= 0 && offset <= text.length);
      }
    }),
    { numRuns: 1000 },
  );
});

// Each was given to libgcrypt 1.10.1, which printed and read it so.
for (const [read, printed] of [
  ['(a "b" #63#)', '(a b c)\n'],
  ['(a(b)c)', '(a \n (b)\n c)\n'],
  ['((a)(b(c)))', '(\n (a)\n (b \n  (c)\n  )\n )\n'],
  ['(a "" #00# #80# "1a" "x y")', '(a "" #00# #80# "1a" "x y")\n'],
  ['("\\x41\\101" "a\\\nb" "\\n\\"")', '(AA ab "\\n\\"")\n'],
  ['(3:abc #61 62\n63#)', '(abc abc)\n'],
] as const) {
  test(`${JSON.stringify(read)} is ${JSON.stringify(printed)}`, () => {
    assert.equal(formatSExpression(parseSExpression(read)), printed);
  });
}

for (const [text, message] of [
  ['', /expected an expression, got the end at byte 0/],
  ['(a', /expected an expression or "\)", got the end at byte 2/],
  ['(a))', /expected nothing after the expression, got "\)" at byte 3/],
  ['(a)x', /expected nothing after the expression/],
  [')', /expected an expression, got "\)" at byte 0/],
  ['(1a)', /expected an expression or "\)", got "1a\)" at byte 1/],
  ['(a #0#)', /expected pairs of hexadecimal digits and "#"/],
  ['(a #0x#)', /expected pairs of hexadecimal digits and "#"/],
  ['(a #00', /expected hexadecimal digits and "#"/],
  ['("a\\qb")', /expected a quoted text of bytes, its escapes, and its end/],
  ['("a', /expected a quoted text/],
  ['(a 5:ab)', /expected 5 bytes after their number, got "5:ab\)" at byte 3/],
  ['(a 03:abc)', /expected an expression or "\)"/],
  ['(é)', /expected an expression or "\)", got .* at byte 1/],
  ['(a 1:☃)', /expected 1 bytes after their number/],
  ['('.repeat(deepestExpression + 1), /expected at most 32 lists in each other/],
  ['a'.repeat(longestExpression + 1), /expected at most 262144 characters, got 262145/],
] as const) {
  test(`refuses ${JSON.stringify(text.slice(0, 40))}`, () => {
    assert.throws(() => parseSExpression(text), formatError('malformed-s-expression', message));
  });
}
