import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Derivation, parseDerivation, serializeDerivation } from '../../../domain/store/derivation.ts';
import { formatError, readDerivation, readFixture, readFixtures } from '../../support/fixtures.ts';
import { readShared, readSharedFolder, sharedAbsent } from '../../support/shared-fixtures.ts';

const storeDir = '/nix/store';
const path = (name: string, char = '0') => `${storeDir}/${char.repeat(32)}-${name}`;
const parse = (text: string, maxBytes?: number) =>
  parseDerivation(Buffer.from(text, 'latin1'), { storeDir, ...(maxBytes !== undefined && { maxBytes }) });

/** The shape that `nix derivation show` prints, texts as lossy UTF-8. */
function toJson(derivation: Derivation) {
  const utf8 = (text: string) => Buffer.from(text, 'latin1').toString('utf8');
  return {
    args: derivation.args.map(utf8),
    builder: utf8(derivation.builder),
    env: Object.fromEntries(derivation.env.map(([key, value]) => [utf8(key), utf8(value)])),
    inputDrvs: Object.fromEntries(derivation.inputDerivations.map((input) => [input.path, input.outputs])),
    inputSrcs: derivation.inputSources,
    outputs: Object.fromEntries(
      derivation.outputs.map(({ name, path: at, hashAlgo, hash }) => [
        name,
        { path: at, ...(hashAlgo && { hashAlgo }), ...(hash && { hash }) },
      ]),
    ),
    system: utf8(derivation.system),
  };
}

function checkNix(name: string, bytes: Uint8Array, shown: Buffer): void {
  const derivation = parseDerivation(bytes, { storeDir });
  assert.deepEqual(Buffer.from(serializeDerivation(derivation)), bytes);
  const json = JSON.parse(shown.toString('utf8'));
  assert.deepEqual(toJson(derivation), json[`${storeDir}/${name}`] ?? json);
}

for (const { name, bytes } of await readFixtures('derivations', '.drv')) {
  test(`${name} is read as Nix reads it and written back byte for byte`, async () =>
    checkNix(name, bytes, await readFixture(`derivations/${name}.json`)));
}

test("the derivations of Nix's own tests are read as Nix reads them", {
  skip: sharedAbsent('derivations'),
}, async () => {
  const derivations = await readSharedFolder('derivations', '.drv');
  assert.equal(derivations.length, 10);
  for (const { name, bytes } of derivations) checkNix(name, bytes, await readShared(`derivations/${name}.json`));
});

test('derivations of Guix are read as Guix reads them', { skip: sharedAbsent('guix/drv') }, async () => {
  const all = JSON.parse((await readShared('guix/drvs.json')).toString('utf8'));
  const derivations = await readSharedFolder('guix/drv', '.drv');
  assert.equal(derivations.length, 8);
  for (const { name, bytes } of derivations) {
    const derivation = parseDerivation(bytes, { storeDir: '/gnu/store' });
    assert.deepEqual(Buffer.from(serializeDerivation(derivation)), bytes);
    const theirs = all.find((entry: { file: string }) => entry.file === `/gnu/store/${name}`);
    assert.deepEqual(
      [derivation.system, derivation.builder, derivation.args, Object.fromEntries(derivation.env)],
      [theirs.system, theirs.builder, theirs.args, theirs.env],
    );
  }
});

test('any derivation is written and read back, bytes included', () => {
  const base32 = fc.constantFrom(...'0123456789abcdfghijklmnpqrsvwxyz');
  const hash = fc.string({ unit: base32, minLength: 32, maxLength: 32 });
  const nameChar = fc.constantFrom(...'0123456789abcdefghijklmnopqrstuvwxyzABCXYZ+-_?=');
  const name = fc.string({ unit: nameChar, minLength: 1, maxLength: 20 });
  const storePath = fc.tuple(hash, name).map(([part, text]) => `${storeDir}/${part}-${text}`);
  const special = fc.constantFrom('"', '\\', '\n', '\r', '\t', ')', '(', ',', '[', ']', '\0', 'n');
  const bytes = fc.string({
    unit: fc.oneof(
      special,
      fc.nat(255).map((code) => String.fromCharCode(code)),
    ),
  });
  const sorted = <Item>(item: fc.Arbitrary<Item>, key: (item: Item) => string) =>
    fc
      .uniqueArray(item, { selector: key, maxLength: 6 })
      .map((items) => items.toSorted((a, b) => (key(a) < key(b) ? -1 : 1)));
  const names = sorted(name, (text) => text).filter((list) => list.length > 0);
  const derivation: fc.Arbitrary<Derivation> = fc.record({
    outputs: sorted(
      fc.record({ name, path: fc.oneof(storePath, fc.constant('')), hashAlgo: name, hash: name }),
      (o) => o.name,
    ),
    inputDerivations: sorted(
      fc.record({ path: storePath.map((text) => `${text}.drv`), outputs: names }),
      (i) => i.path,
    ),
    inputSources: sorted(storePath, (text) => text),
    system: bytes,
    builder: bytes,
    args: fc.array(bytes),
    env: sorted(fc.tuple(bytes, bytes), (variable) => variable[0]),
  });
  fc.assert(
    fc.property(derivation, (made) => {
      const text = serializeDerivation(made);
      const read = parseDerivation(text, { storeDir });
      assert.deepEqual(JSON.parse(JSON.stringify(read)), JSON.parse(JSON.stringify(made)));
      assert.deepEqual(Buffer.from(serializeDerivation(read)), Buffer.from(text));
    }),
    { numRuns: 300 },
  );
});

test('whatever is accepted after damage is still canonical', async () => {
  const { bytes: whole } = await readDerivation('inputs');
  fc.assert(
    fc.property(
      fc.nat(whole.length - 1),
      fc.nat(255),
      fc.constantFrom('replace', 'insert', 'remove'),
      (at, byte, how) => {
        const rest = whole.subarray(how === 'insert' ? at : at + 1);
        const damaged = Buffer.concat(
          [whole.subarray(0, at), how === 'remove' ? '' : Uint8Array.of(byte), rest].map((part) => Buffer.from(part)),
        );
        let read: Derivation;
        try {
          read = parseDerivation(damaged, { storeDir });
        } catch (error) {
          assert.equal((error as { code: string }).code, 'malformed-derivation');
          return;
        }
        assert.deepEqual(Buffer.from(serializeDerivation(read)), damaged);
      },
    ),
    { numRuns: 2000 },
  );
});

const out = `("out","${path('x')}","","")`;
const build = (parts: {
  outputs?: string;
  drvs?: string;
  srcs?: string;
  mid?: string;
  args?: string;
  env?: string;
  end?: string;
}) =>
  `Derive([${parts.outputs ?? out}],[${parts.drvs ?? ''}],[${parts.srcs ?? ''}],${parts.mid ?? '"s","b"'},[${parts.args ?? ''}],[${parts.env ?? ''}]${parts.end ?? ')'}`;

test('the text that the refusals below are made from is accepted', () => {
  const text = build({
    drvs: `("${path('a.drv')}",["dev","out"])`,
    srcs: `"${path('s')}"`,
    args: '"-c"',
    env: '("k","v")',
  });
  assert.equal(Buffer.from(serializeDerivation(parse(text))).toString('latin1'), text);
});

const refused: Record<string, string> = {
  'no text': '',
  'another word': 'Derivation()',
  'a cut text': build({}).slice(0, -1),
  'trailing bytes': `${build({})} `,
  'a trailing line break': `${build({})}\n`,
  'white space': build({}).replace(',[', ', ['),
  'an unsorted list of outputs': build({ outputs: `${out},("dev","${path('x-dev')}","","")` }),
  'an output twice': build({ outputs: `${out},${out}` }),
  'an output name that is none': build({ outputs: `("o/t","${path('x')}","","")` }),
  'an escape in a hash': build({ outputs: `("out","${path('x')}","a\\"b","")` }),
  'an output outside the store': build({ outputs: '("out","/tmp/x","","")' }),
  'an input derivation twice': build({ drvs: `("${path('a.drv')}",["out"]),("${path('a.drv')}",["out"])` }),
  'unsorted input derivations': build({ drvs: `("${path('b.drv')}",["out"]),("${path('a.drv')}",["out"])` }),
  'an input derivation that is no .drv': build({ drvs: `("${path('a')}",["out"])` }),
  'no wanted outputs': build({ drvs: `("${path('a.drv')}",[])` }),
  'unsorted wanted outputs': build({ drvs: `("${path('a.drv')}",["out","dev"])` }),
  'a wanted output twice': build({ drvs: `("${path('a.drv')}",["out","out"])` }),
  'unsorted sources': build({ srcs: `"${path('b')}","${path('a')}"` }),
  'a source twice': build({ srcs: `"${path('a')}","${path('a')}"` }),
  'a source below an item': build({ srcs: `"${path('a/b')}"` }),
  'a source of another store': build({ srcs: `"${path('a').replace('nix', 'gnu')}"` }),
  'a bad hash part': build({ srcs: `"${storeDir}/${'e'.repeat(32)}-a"` }),
  'a name that is too long': build({ srcs: `"${path('a'.repeat(212))}"` }),
  'a name of dots': build({ srcs: `"${path('..')}"` }),
  'a variable twice': build({ env: '("k","1"),("k","2")' }),
  'unsorted variables': build({ env: '("l","1"),("k","2")' }),
  'a needless escape': build({ args: '"\\x"' }),
  'a raw line break': build({ args: '"a\nb"' }),
  'a raw tab': build({ env: '("k","\t")' }),
  'a lone backslash': build({ args: '"\\' }),
  'an open string': build({ args: '"abc' }),
  'a missing bracket': build({ end: '' }),
  'a comma too many': build({ args: '"a",' }),
};
for (const [what, text] of Object.entries(refused)) {
  test(`refuses ${what}`, () => {
    assert.throws(() => parse(text), formatError('malformed-derivation', /expected .+, got .* at byte \d+/s));
  });
}

test('refuses dynamic derivations and large ones by codes of their own', () => {
  assert.throws(() => parse('DrvWithVersion("xp-dyn-drv",[],[])'), formatError('unsupported-dynamic'));
  assert.throws(() => parse(build({}), 20), formatError('too-large', /at most 20 bytes, got \d+/));
});

test('time grows with the size, whatever is in the strings', () => {
  // Each takes under a second; reading with a cost of the square would take longer than a test may.
  const million = 1_000_000;
  const escapes = build({ args: `"${'\\n'.repeat(2 * million)}"` });
  const quotes = build({ args: `"${'\\"'.repeat(2 * million)}"` });
  const many = build({ args: `"\\n"${',"x"'.repeat(million)}` });
  for (const text of [escapes, quotes, many])
    assert.equal(Buffer.from(serializeDerivation(parse(text))).length, text.length);
});
