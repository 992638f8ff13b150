import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import * as z from 'zod';
import { createDocumentEncoder, rowText } from '../../../adapters/http/document-encoder.ts';

const schema = z.object({
  of: z.object({ a: z.number() }),
  rows: z.array(z.object({ id: z.string(), n: z.number().exactOptional() })),
  texts: z.array(z.string()),
});
type Document = z.output<typeof schema>;

describe('a document that is encoded again and again', () => {
  const row = fc.oneof(
    fc.record({ id: fc.constantFrom('a', 'b'), n: fc.nat(2) }),
    fc.record({ id: fc.constantFrom('a', 'b'), hidden: fc.nat(2) }),
  );
  const document = fc.record({
    of: fc.record({ a: fc.nat(2), hidden: fc.nat(2) }),
    rows: fc.array(row, { maxLength: 4 }),
    texts: fc.array(fc.constantFrom('x', ''), { maxLength: 3 }),
  });

  it('is what its schema makes of it, whatever it was before, with the texts of its rows', () => {
    fc.assert(
      fc.property(fc.array(document, { maxLength: 6 }), (documents) => {
        const encode = createDocumentEncoder(schema);
        for (const one of documents) {
          const encoded = encode(one);
          assert.deepEqual(encoded, z.encode(schema, structuredClone(one)));
          for (const each of encoded.rows as Document['rows']) assert.equal(rowText(each), JSON.stringify(each));
          assert.equal((encoded.texts as string[]).map(rowText).join(), one.texts.map((text) => `"${text}"`).join());
        }
      }),
    );
  });

  it('keeps the rows that are as they were the last time', () => {
    const encode = createDocumentEncoder(schema);
    const of = { a: 1 };
    const rowsOf = (...rows: Document['rows']) => encode({ of, rows, texts: [] }).rows as object[];
    const [a, b] = rowsOf({ id: 'a' }, { id: 'b', n: 1 });
    const next = rowsOf({ id: 'b', n: 1 }, { id: 'a', n: 0 });
    assert.ok(next[0] === b && next[1] !== a);
    assert.notEqual(rowsOf({ id: 'a' })[0], a, 'and no others');
  });

  it('is refused where it is not of its form', () => {
    const encode = createDocumentEncoder(schema);
    const whole = { of: { a: 1 }, rows: [{ id: 'a' }], texts: ['x'] };
    encode(whole);
    for (const wrong of [{ rows: [{ id: 1 }] }, { rows: 1 }, { of: {} }, { texts: [null] }])
      assert.throws(() => encode({ ...whole, ...wrong } as never), z.ZodError);
  });
});
