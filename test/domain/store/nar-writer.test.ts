import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { createDebugIds, debugMember } from '../../../domain/store/debug-ids.ts';
import { createNarListing } from '../../../domain/store/nar-listing.ts';
import { createNarVerifier } from '../../../domain/store/nar-verifier.ts';
import { type NarNode, writeNar } from '../../../domain/store/nar-writer.ts';
import { formatError } from '../../support/fixtures.ts';
import { noNixTools, runNix, temporaryFolder } from '../../support/nix-tools.ts';

/** A tree in memory; names and targets are byte strings. */
type Tree = { file: Uint8Array; executable: boolean } | { target: string } | { entries: [string, Tree][] };

const bytesOf = (text: string) => Buffer.from(text, 'latin1');

function nodeOf(tree: Tree, chunk = 1000): NarNode {
  if ('target' in tree) return { type: 'symlink', target: bytesOf(tree.target) };
  if ('entries' in tree) {
    return {
      type: 'directory',
      entries: async function* () {
        for (const [name, child] of tree.entries) yield [bytesOf(name), nodeOf(child, chunk)] as const;
      },
    };
  }
  return {
    type: 'regular',
    executable: tree.executable,
    size: tree.file.length,
    contents: async function* () {
      for (let at = 0; at < tree.file.length; at += chunk) yield tree.file.subarray(at, at + chunk);
    },
  };
}

async function write(node: NarNode): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of writeNar(node)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const byte = fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code));
const name = fc
  .string({ unit: byte, minLength: 1, maxLength: 40 })
  .filter((text) => !text.includes('/') && text !== '.' && text !== '..');
const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.record({ file: fc.uint8Array({ maxLength: 5000 }), executable: fc.boolean() }),
    fc.record({ target: fc.string({ unit: byte, minLength: 1, maxLength: 60 }) }),
    fc
      .uniqueArray(fc.tuple(name, tie('tree')), { selector: (item) => item[0], maxLength: 6 })
      .map((entries) => ({ entries: entries.sort(([a], [b]) => (a < b ? -1 : 1)) })),
  ),
}));

test('the verifier accepts any tree written, however it is chunked', async () => {
  await fc.assert(
    fc.asyncProperty(tree, fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 }), async (made, sizes) => {
      const bytes = await write(nodeOf(made, sizes[0]));
      const verifier = createNarVerifier({ maxSize: bytes.length });
      for (let at = 0, turn = 0; at < bytes.length; turn++) {
        const size = sizes[turn % sizes.length] ?? 1;
        verifier.write(bytes.subarray(at, at + size));
        at += size;
      }
      assert.equal(verifier.end().narSize, bytes.length);
    }),
    { numRuns: 200 },
  );
});

test('a listing has every node of a tree, with the place of its contents, as far as names are text', async () => {
  await fc.assert(
    fc.asyncProperty(tree, async (made) => {
      const bytes = await write(nodeOf(made));
      const listing = createNarListing(1_000_000);
      const verifier = createNarVerifier({ maxSize: bytes.length, visitor: listing });
      verifier.write(bytes);
      verifier.end();
      const text = (latin1: string) => Buffer.from(latin1, 'latin1').toString();
      const listed = (node: Tree, at: { narOffset?: number; entries?: Record<string, object> } = {}): object => {
        if ('target' in node) return { type: 'symlink', target: text(node.target) };
        if ('entries' in node) {
          const entries = node.entries.map(([key, child]) => [text(key), listed(child, at.entries?.[text(key)])]);
          return { type: 'directory', entries: Object.fromEntries(entries) };
        }
        const { narOffset = -1 } = at;
        const size = node.file.length;
        // Names that are not text may have become the same one: then the last of them is listed.
        const isThis = bytes.subarray(narOffset, narOffset + size).equals(node.file);
        return {
          type: 'regular',
          size,
          ...(node.executable && { executable: true }),
          narOffset: isThis ? narOffset : -1,
        };
      };
      const { root } = JSON.parse(listing.text() ?? '');
      assert.deepEqual(root, listed(made, root));
    }),
    { numRuns: 100 },
  );
  const long = createNarListing(40);
  for (const name of ['a', 'b']) long.file([name], 1, false, 0);
  assert.equal(long.text(), undefined);
});

test('build ids are those of regular files where debuggers look for them', () => {
  const ids = createDebugIds(2);
  const debug = ['lib', 'debug', '.build-id', 'ab', `${'c'.repeat(38)}.debug`];
  ids.symlink(debug, 'x');
  for (const path of [debug, debug.slice(1), [...debug, 'x'], debug.with(3, 'AB'), debug.with(4, 'c.debug'), []])
    ids.file(path, 1, false, 0);
  assert.deepEqual(ids.found, [`ab${'c'.repeat(38)}`]);
  for (const start of ['01', '02']) ids.file(debug.with(3, start), 1, false, 0);
  assert.equal(ids.found.length, 2);
  assert.equal(debugMember(ids.found[0] as string), debug.join('/'));
});

async function makeTree(path: string, made: Tree): Promise<void> {
  if ('target' in made) return symlink(bytesOf(made.target), path);
  if ('file' in made) {
    await writeFile(path, made.file);
    return chmod(path, made.executable ? 0o755 : 0o644);
  }
  await mkdir(path);
  for (const [entry, child] of made.entries) await makeTree(join(path, entry), child);
}

const real: Tree = {
  entries: [
    ['.hidden', { file: Buffer.from('dot'), executable: false }],
    ['A', { target: '/nix/store/nowhere' }],
    [
      'a',
      {
        entries: [
          ['empty', { entries: [] }],
          ['zero', { file: Buffer.alloc(0), executable: true }],
        ],
      },
    ],
    ['a-file', { file: Buffer.alloc(200_001, 'large '), executable: false }],
    ['b', { file: Buffer.from('#!/bin/sh\n'), executable: true }],
  ],
};

test('writes what nix-store --dump writes, and Nix restores it', { skip: noNixTools }, async () => {
  await using folder = await temporaryFolder();
  await makeTree(`${folder.path}/tree`, real);
  const bytes = await write(nodeOf(real));
  assert.ok(bytes.equals(runNix('nix-store', ['--dump', `${folder.path}/tree`])));
  runNix('nix-store', ['--restore', `${folder.path}/back`], bytes);
  assert.ok(runNix('nix-store', ['--dump', `${folder.path}/back`]).equals(bytes));
  assert.equal(await readFile(`${folder.path}/back/b`, 'utf8'), '#!/bin/sh\n');
});

test('text is written in UTF-8, and large files are not gathered in memory', async () => {
  const entries = async function* () {
    yield ['é', { type: 'symlink', target: 'ü' }] as const;
  };
  const bytes = await write({ type: 'directory', entries });
  assert.ok(bytes.includes(Buffer.from('é')) && bytes.includes(Buffer.from('ü')));
  const sizes: number[] = [];
  for await (const chunk of writeNar(nodeOf({ file: Buffer.alloc(1_000_000), executable: false }, 10_000)))
    sizes.push(chunk.length);
  assert.ok(Math.max(...sizes) < 100_000, `${Math.max(...sizes)}`);
});

const empty: Tree = { file: Buffer.alloc(0), executable: false };
const nested = (levels: number): Tree => (levels === 0 ? empty : { entries: [['d', nested(levels - 1)]] });
const bad: Record<string, Tree> = {
  'unsorted names': {
    entries: [
      ['b', empty],
      ['a', empty],
    ],
  },
  'a name twice': {
    entries: [
      ['a', empty],
      ['a', empty],
    ],
  },
  'the name ..': { entries: [['..', empty]] },
  'a name with /': { entries: [['a/b', empty]] },
  'an empty target': { target: '' },
  'a tree too deep': nested(64),
};
for (const [what, made] of Object.entries(bad)) {
  test(`refuses to write ${what}`, async () => {
    await assert.rejects(write(nodeOf(made)), formatError('malformed-nar'));
  });
}

test('refuses a file that is longer or shorter than its size', async () => {
  for (const size of [2, 4]) {
    const node = nodeOf({ file: Buffer.from('abc'), executable: false });
    await assert.rejects(write({ ...node, size } as NarNode), formatError('malformed-nar', /expected a file of/));
  }
});

test('closes the directories it has open when the reader stops', async () => {
  let closed = 0;
  const directory = (child: NarNode): NarNode => ({
    type: 'directory',
    entries: async function* () {
      try {
        yield ['a', child] as const;
      } finally {
        closed++;
      }
    },
  });
  const large = nodeOf({ file: Buffer.alloc(1_000_000), executable: false });
  for await (const _ of writeNar(directory(directory(large)))) break;
  assert.equal(closed, 2);
});
