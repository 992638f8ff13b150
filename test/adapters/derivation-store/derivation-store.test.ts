import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { before, describe, it } from 'node:test';
import { openSqliteDerivationStore } from '../../../adapters/derivation-store/sqlite-derivation-store.ts';
import type { DerivationStore } from '../../../coordinator/ports/derivation-store.ts';
import type { DerivationFacts } from '../../../domain/derivation/events.ts';
import { parseDerivation } from '../../../domain/store/derivation.ts';
import { graphSize, loadGraphClosure } from '../../support/graph-closure.ts';
import { readSharedFolder, sharedAbsent } from '../../support/shared-fixtures.ts';

const storeDir = '/nix/store';

interface Sent {
  readonly path: string;
  readonly text: Uint8Array;
}
/** A closure in topological order, inputs first. */
let derivations: Sent[] = [];
/** Base names of the inputs of each. */
const inputsOf = new Map<string, string[]>();

before(async () => {
  const all = new Map((await loadGraphClosure()).map(({ name, bytes }) => [name, { path: name, text: bytes }]));
  for (const { path, text } of all.values()) {
    const { inputDerivations } = parseDerivation(text, { storeDir });
    inputsOf.set(
      path,
      inputDerivations.map((input) => input.path.slice(storeDir.length + 1)),
    );
  }
  const placed = new Set<string>();
  const place = (path: string): void => {
    if (placed.has(path)) return;
    placed.add(path);
    for (const input of inputsOf.get(path) ?? []) place(input);
    derivations.push(all.get(path) as Sent);
  };
  derivations = [];
  for (const path of all.keys()) place(path);
});

async function temporaryStore() {
  const dir = await mkdtemp(join(tmpdir(), 'drover-test-'));
  const open = () => openSqliteDerivationStore({ dir, storeDirs: [storeDir] });
  const held = {
    dir,
    store: await open(),
    async reopen() {
      await held.store[Symbol.asyncDispose]();
      held.store = await open();
    },
    async [Symbol.asyncDispose]() {
      await held.store[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    },
  };
  return held;
}

async function closureOf(store: DerivationStore, roots: string[], skip: (path: string) => boolean = () => false) {
  const facts: DerivationFacts[] = [];
  for await (const part of store.closure(roots, skip)) facts.push(...part);
  return facts;
}

describe('derivations', () => {
  it('are verified, kept over a restart, and given back byte by byte', async () => {
    await using held = await temporaryStore();
    const paths = derivations.map(({ path }) => path);
    assert.deepEqual(await held.store.missing(paths), paths);
    assert.deepEqual(await held.store.add(derivations.slice(0, 100)), { added: 100 });
    assert.deepEqual(await held.store.missing(paths), paths.slice(100));
    await held.reopen();
    assert.deepEqual(await held.store.add(derivations), { added: derivations.length - 100 });
    assert.deepEqual(await held.store.add(derivations), { added: 0 });
    assert.deepEqual(await held.store.missing(paths), []);
    for (const { path, text } of derivations) {
      assert.deepEqual(Buffer.from((await held.store.text(path)) as Uint8Array), Buffer.from(text));
    }
    const [some = ''] = paths;
    const otherName = `${some.slice(0, 32)}-other.drv`;
    assert.equal(await held.store.text(otherName), undefined);
    assert.deepEqual(await held.store.missing([otherName, 'x']), [otherName, 'x']);
  });

  it('are refused where their inputs are not known; those before stay', async () => {
    await using held = await temporaryStore();
    const at = derivations.findIndex(({ path }) => (inputsOf.get(path) as string[]).length > 0);
    const input = (inputsOf.get((derivations[at] as Sent).path) as string[])[0] as string;
    const before = derivations.slice(0, at).filter(({ path }) => path !== input);
    const answer = await held.store.add([...before, derivations[at] as Sent, ...derivations.slice(at + 1)]);
    assert.ok('refused' in answer);
    assert.equal(answer.refused.code, 'input-missing');
    assert.equal(answer.refused.path, (derivations[at] as Sent).path);
    assert.match(answer.refused.message, new RegExp(input));
    assert.deepEqual(await held.store.missing(derivations.map(({ path }) => path)), [
      ...derivations.filter((sent) => !before.includes(sent)).map(({ path }) => path),
    ]);
  });

  it('are refused where the path is not that of the text', async () => {
    await using held = await temporaryStore();
    const [first, second] = derivations as [Sent, Sent];
    for (const sent of [
      { path: second.path, text: first.text },
      { path: first.path, text: first.text.subarray(0, -1) },
      { path: `../../${first.path}`, text: first.text },
    ]) {
      const answer = await held.store.add([sent]);
      assert.ok('refused' in answer);
      assert.equal(answer.refused.path, sent.path);
    }
    assert.deepEqual(await held.store.add([first]), { added: 1 });
  });

  it('go in many transactions where there are many', async () => {
    await using held = await temporaryStore();
    // Larger than a transaction in number; all but the first of each is a repeat.
    const many = Array.from({ length: 12 }, () => derivations).flat();
    assert.deepEqual(await held.store.add(many), { added: derivations.length });
  });
});

describe('a closure', () => {
  it('has every derivation once, inputs first', async () => {
    await using held = await temporaryStore();
    await held.store.add(derivations);
    await held.reopen();
    const roots = derivations.map(({ path }) => path).filter((path) => path.includes('-top.drv'));
    const facts = await closureOf(held.store, roots);
    const expected = new Set<string>();
    const walk = (path: string): void => {
      if (expected.has(path)) return;
      expected.add(path);
      for (const input of inputsOf.get(path) ?? []) walk(input);
    };
    roots.forEach(walk);
    assert.equal(expected.size, graphSize);
    assert.deepEqual(new Set(facts.map(({ path }) => path)), expected);
    assert.equal(facts.length, expected.size);
    const seen = new Set<string>();
    for (const { path, inputs } of facts) {
      for (const input of inputs) assert.ok(seen.has(input.slice(0, 32)), `${input} before ${path}`);
      assert.deepEqual(
        inputs.map((input) => input.slice(0, 32)),
        inputsOf.get(path)?.map((input) => input.slice(0, 32)),
      );
      seen.add(path.slice(0, 32));
    }
  });

  it('is not walked into what is skipped', async () => {
    await using held = await temporaryStore();
    await held.store.add(derivations);
    const root = derivations.at(-1) as Sent;
    const facts = await closureOf(held.store, [root.path, root.path], (path) => path !== root.path);
    assert.deepEqual(
      facts.map(({ path }) => path),
      [root.path],
    );
    assert.deepEqual(await closureOf(held.store, [root.path], () => true), []);
    // Skipped, and so is what only it leads to; the rest is there.
    const [input = ''] = inputsOf.get(root.path) as string[];
    const without = await closureOf(held.store, [root.path], (path) => path === input);
    assert.equal(
      without.some(({ path }) => path === input),
      false,
    );
    assert.ok(without.length > 1);
  });

  it('of what is not held is refused', async () => {
    await using held = await temporaryStore();
    const { path } = derivations.at(-1) as Sent;
    await assert.rejects(closureOf(held.store, [path]), { code: 'unknown-derivation', details: { paths: [path] } });
  });
});

describe('the database', () => {
  it('of a later version is refused', async () => {
    await using held = await temporaryStore();
    await held.store[Symbol.asyncDispose]();
    const database = new DatabaseSync(join(held.dir, 'derivations.db'));
    database.exec('PRAGMA user_version = 99');
    database.close();
    await assert.rejects(openSqliteDerivationStore({ dir: held.dir, storeDirs: [storeDir] }), {
      code: 'newer-schema',
      message: /expected schema version 1 or older, got 99/,
    });
  });

  it('takes those of each of its store directories, and says where those are that are not in the first', {
    skip: sharedAbsent('guix/drv'),
  }, async () => {
    const dir = await mkdtemp(join(tmpdir(), 'drover-test-'));
    await using store = await openSqliteDerivationStore({ dir, storeDirs: [storeDir, '/gnu/store'] });
    const guix = (await readSharedFolder('guix/drv', '-gx-plain.drv')).map(({ name, bytes }) => ({
      path: name,
      text: bytes,
    }));
    const one = derivations[0] as Sent;
    assert.deepEqual(await store.add([...guix, one]), { added: guix.length + 1 });
    const dirs = new Set<string | undefined>();
    for await (const part of store.closure([one.path, ...guix.map(({ path }) => path)], () => false))
      for (const facts of part) dirs.add(facts.storeDir);
    assert.deepEqual([...dirs].sort(), ['/gnu/store', undefined]);
    await rm(dir, { recursive: true });
  });

  it('of another store directory is refused', async () => {
    await using held = await temporaryStore();
    await held.store[Symbol.asyncDispose]();
    await assert.rejects(openSqliteDerivationStore({ dir: held.dir, storeDirs: ['/gnu/store', storeDir] }), {
      code: 'wrong-store-dir',
    });
  });

  it('answers nothing once it is closed', async () => {
    await using held = await temporaryStore();
    const asked = held.store.add(derivations);
    await held.store[Symbol.asyncDispose]();
    await held.store[Symbol.asyncDispose]();
    assert.deepEqual(await asked, { added: derivations.length });
    await assert.rejects(held.store.missing(['x']), { code: 'not-ready' });
  });

  it('takes a text that is damaged for lost, and takes it in again', async () => {
    await using held = await temporaryStore();
    await held.store.add(derivations);
    const [first] = derivations as [Sent];
    await held.store[Symbol.asyncDispose]();
    const file = join(held.dir, 'derivations.db');
    const database = new DatabaseSync(file);
    const { id, texts } = database
      .prepare('SELECT blocks.id, texts FROM blocks JOIN derivations ON block = blocks.id WHERE hash = ?')
      .get(first.path.slice(0, 32)) as { id: number; texts: Uint8Array };
    // Somewhere in the middle of the compressed texts.
    texts[texts.length >> 1] = (texts[texts.length >> 1] as number) ^ 1;
    database.prepare('UPDATE blocks SET texts = ? WHERE id = ?').run(texts, id);
    database.close();
    await held.reopen();
    assert.deepEqual(await held.store.missing([first.path]), [], 'nobody has looked');
    assert.equal(await held.store.text(first.path), undefined);
    assert.deepEqual(await held.store.missing([first.path]), [first.path]);
    assert.deepEqual(await held.store.add([first]), { added: 1 });
    assert.deepEqual(await held.store.missing([first.path]), []);
    assert.deepEqual(Buffer.from((await held.store.text(first.path)) as Uint8Array), Buffer.from(first.text));
  });
});
