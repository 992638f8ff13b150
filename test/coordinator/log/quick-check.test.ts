import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import * as z from 'zod';
import { quickCheckOf } from '../../../coordinator/log/quick-check.ts';
import { baseName } from '../../../domain/event.ts';
import { eventTypes } from '../../../domain/events.ts';
import { viewEventTypes } from '../../../projections/views/event-types.ts';
import { times } from '../../support/times.ts';

type Definition = z.core.$ZodTypes['_zod']['def'];

/** Data of a schema, most of which it takes: each of their parts may be something else, or have more in it. */
function dataOf(schema: z.core.$ZodType): fc.Arbitrary<unknown> {
  const odd = fc.constantFrom<unknown>(null, '', '.', 0, -1, 1.5, 2 ** 53, '9'.repeat(5000), true, [], {}, ['', 1], {
    a: 1,
  });
  return fc.oneof({ weight: 60, arbitrary: rightOf(schema) }, { weight: 1, arbitrary: odd });
}

function rightOf(schema: z.core.$ZodType): fc.Arbitrary<unknown> {
  const def = schema._zod.def as Definition;
  let [least, most, pattern]: [number, number, RegExp | undefined] = [0, 300, undefined];
  for (const { _zod } of def.checks ?? []) {
    const check = _zod.def as z.core.$ZodChecks['_zod']['def'];
    if (check.check === 'min_length') least = check.minimum;
    else if (check.check === 'max_length') most = check.maximum;
    else if (check.check === 'greater_than') least = Number(check.value);
    else if (check.check === 'less_than') most = Number(check.value);
    else if (check.check === 'string_format') pattern = check.pattern;
  }
  switch (def.type) {
    case 'string': {
      const ofLength = fc.string({ minLength: least, maxLength: Math.min(most, least + 20) });
      return pattern ? fc.stringMatching(pattern, { size: 'xsmall' }) : ofLength;
    }
    case 'number':
      return fc.oneof({ weight: 40, arbitrary: fc.integer({ min: least, max: most }) }, fc.maxSafeInteger());
    case 'boolean':
      return fc.boolean();
    case 'enum':
      return fc.constantFrom(...Object.values(def.entries));
    case 'literal':
      return fc.constantFrom(...def.values);
    case 'array':
      return fc.array(dataOf(def.element), { maxLength: 4 });
    case 'record':
      return fc.dictionary(dataOf(def.keyType).map(String), dataOf(def.valueType), {
        maxKeys: 3,
        noNullPrototype: true,
      });
    case 'optional':
      return dataOf(def.innerType);
    case 'object': {
      const isOptional = (name: string): boolean => def.shape[name]?._zod.def.type === 'optional';
      const fields = Object.fromEntries(Object.entries(def.shape).map(([name, field]) => [name, dataOf(field)]));
      const requiredKeys = Object.keys(fields).filter((name) => !isOptional(name));
      const known = fc.record(fields, { requiredKeys: requiredKeys as never[], noNullPrototype: true });
      const more = fc.oneof(
        { weight: 30, arbitrary: fc.constant({}) },
        fc.constantFrom({ more: 1 }, JSON.parse('{"__proto__":1}')),
      );
      return fc.tuple(known, more).map(([one, other]) => ({ ...(one as object), ...other }));
    }
    default:
      return fc.constant(null);
  }
}

/** Whether the schema takes the data and gives back the same. */
function isTakenAsIs(schema: z.core.$ZodType, data: unknown): boolean {
  const checked = z.safeParse(schema, data);
  return checked.success && isDeepStrictEqual(checked.data, data);
}

/** As the views look at it, which leaves out what is most of it. */
const ofViews = [...viewEventTypes].filter(([type, { schema }]) => schema !== eventTypes.get(type)?.schema);

describe('the quick check of events', () => {
  it('says of all data in JSON what the schema says of them', () => {
    const without: string[] = [];
    for (const [type, { schema }] of [...eventTypes, ...ofViews]) {
      const check = quickCheckOf(schema);
      if (!check) {
        without.push(type);
        continue;
      }
      let taken = 0;
      fc.assert(
        fc.property(dataOf(schema), (made) => {
          const data: unknown = JSON.parse(JSON.stringify(made));
          const is = isTakenAsIs(schema, data);
          if (is) taken++;
          assert.equal(check(data), is, `${type} ${JSON.stringify(data)}`);
        }),
        { numRuns: 30 * times },
      );
      assert.ok(taken > 0, `no data of ${type} were right`);
    }
    assert.deepEqual(without, ['HookAdded', 'HookChanged']);
  });
  it('knows names with something wrong in them as well as the patterns do', () => {
    const name = fc.stringMatching(/^[0-9abcdfghijklmnpqrsvwxyz]{32}-[0-9a-zA-Z+\-._?=]{1,8}$/);
    const wrong = fc.tuple(
      name,
      fc.nat(45),
      fc.constantFrom('', 'e', 'A', '.', '-', '!', '\n', 'é', '\u0130', '0'.repeat(211)),
    );
    const edges = [
      '',
      '0'.repeat(32),
      '0'.repeat(33),
      `${'0'.repeat(32)}-`,
      `${'0'.repeat(32)}-.`,
      `${'0'.repeat(32)}-..-a`,
    ];
    const check = quickCheckOf(baseName);
    fc.assert(
      fc.property(
        fc.oneof(
          wrong.map(([text, at, by]) => text.slice(0, at) + by + text.slice(at + 1)),
          fc.constantFrom(...edges),
        ),
        (text) => assert.equal(check?.(text), baseName.safeParse(text).success),
      ),
      { numRuns: 500 * times },
    );
  });
  it('leaves to the schema what is more than data', () => {
    const schema = z.object({ a: z.int().optional(), b: z.array(z.string()).optional() });
    const check = quickCheckOf(schema);
    assert.deepEqual(
      [
        {},
        { a: 1 },
        { a: undefined },
        Object.create({ a: 1 }),
        new (class {
          a = 1;
        })(),
        [],
        null,
      ].map((data) => check?.(data)),
      [true, true, false, false, false, false, false],
    );
  });
  it('is of no schema that changes or refuses by code of its own', () => {
    const odd = [
      z.string().trim(),
      z.coerce.number(),
      z.number(),
      z.string().refine((text) => text !== 'no'),
      z.string().regex(/a/g),
      z.string().regex(/a/).regex(/b/),
      z.email(),
      z.string().default('a'),
      z.array(z.string().transform(Number)),
      z.object({ a: z.string().nullable() }),
      z.object({ a: z.int() }).refine(() => false),
      z.object({ a: z.int() }).transform(() => 1),
      z.int().multipleOf(2),
      z.literal(1),
      z.union([z.string(), z.int()]),
    ];
    assert.deepEqual(
      odd.map((schema) => quickCheckOf(schema)),
      odd.map(() => undefined),
    );
  });
});
