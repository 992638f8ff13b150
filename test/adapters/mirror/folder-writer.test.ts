import assert from 'node:assert/strict';
import {
  createReadStream,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { openCacheFolder } from '../../../adapters/mirror/cache-folder.ts';
import type { FolderForm } from '../../../adapters/mirror/folder-form.ts';
import { type FolderTask, type FolderWriter, openFolderWriter } from '../../../adapters/mirror/folder-writer.ts';
import { withGuixSignature } from '../../../adapters/mirror/guix-signature-field.ts';
import { openPoolSource } from '../../../adapters/mirror/pool-source.ts';
import { decompress } from '../../../adapters/nar/decompress.ts';
import { createLayout } from '../../../adapters/pool/filesystem/layout.ts';
import { makeGuixKey } from '../../../domain/guix/keys.ts';
import { guixSignedText, parseGuixNarinfo } from '../../../domain/guix/narinfo.ts';
import { hashOfSigned } from '../../../domain/guix/packed-signature.ts';
import { faultOfNarinfo, signPacked } from '../../../domain/guix/signature.ts';
import { guixPublishCompressions } from '../../../domain/hook/compressions.ts';
import { renderNarinfo } from '../../../domain/store/narinfo.ts';
import { narOf } from '../pool/nars.ts';
import { type Item, itemOf, upstreamItemOf } from './fake-drover.ts';

const root = mkdtempSync(join(tmpdir(), 'drover-writer-'));
after(() => rmSync(root, { recursive: true, force: true }));
const pool = join(root, 'pool');

/** Items that refer to those before them, the fifth to itself too, and two of them have one NAR. */
const edges = [[], [0], [0], [1, 2], [4, 0], [3], [5, 0], []];
const items: Item[] = [];
for (const [n, references] of edges.entries()) {
  const nar = await narOf(n === 7 ? 'item 2' : `item ${n}`);
  const known = references.map((m) => (m === n ? itemOf(n, nar).path : (items[m] as Item).path)).sort();
  const item = itemOf(n, nar, { references: known });
  items.push(item);
  const file = createLayout(pool).nar({ hash: item.info.fileHash as string, compression: 'none' });
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, nar, { mode: 0o600 });
}
const at = (n: number): Item => items[n] as Item;

const plain: FolderForm = { storeDir: '/nix/store' };
const forGuix: FolderForm = { storeDir: '/gnu/store', compressions: ['gzip', 'zstd', 'none'] };
const key = makeGuixKey(Buffer.alloc(32, 7));

/** A coordinator with all these items, of which some are present, in the store directory of the form. */
function createModel(form: FolderForm = plain) {
  const present = new Set<number>();
  /** Those of them that only an upstream has. */
  const elsewhere = new Set<number>();
  const asUpstream = (n: number): Item => upstreamItemOf(n, at(n).nar, { references: at(n).info.references });
  const isServed = (n: number): boolean =>
    present.has(n) && (edges[n] as number[]).every((reference) => reference === n || isServed(reference));
  const lackOf = (n: number): number | undefined => {
    if (!present.has(n)) return n;
    for (const reference of edges[n] as number[]) {
      const lack = reference === n ? undefined : lackOf(reference);
      if (lack !== undefined) return lack;
    }
    return undefined;
  };
  function served({ path, info }: Item): string {
    const now = { ...info, storePath: `${form.storeDir}/${path}` };
    const signature = (): string => signPacked(key, hashOfSigned(guixSignedText(now)));
    return form.compressions ? withGuixSignature(now, signature()) : renderNarinfo(now);
  }
  const said: string[] = [];
  const doubted: string[] = [];
  const model = {
    present,
    elsewhere,
    /** What the upstream does when it is to give a NAR. */
    give: (nar: Buffer): Iterable<Uint8Array> | undefined => [nar.subarray(0, 50), nar.subarray(50)],
    /** Told of each item that is asked for. */
    onAsk: (_path: string): void => {},
    isServed,
    said,
    doubted,
    open: (folder: string, log = 'urn:x', begun = false, writes = form): Promise<FolderWriter> =>
      openFolderWriter({
        folder,
        log,
        begun,
        form: writes,
        cacheInfo: 'StoreDir: /nix/store\n',
        connections: 4,
        source: {
          ...openPoolSource(pool, async (url) => {
            const n = [...elsewhere].find((one) => asUpstream(one).info.url === url);
            const given = n === undefined ? undefined : model.give(at(n).nar);
            return given && ReadableStream.from(given);
          }),
          async narinfo(hashPart) {
            const n = items.findIndex(({ path }) => path.startsWith(hashPart));
            model.onAsk(at(n).path);
            return isServed(n) ? served(elsewhere.has(n) ? asUpstream(n) : at(n)) : undefined;
          },
          async lackOf(path) {
            const lack = lackOf(items.findIndex((item) => item.path === path));
            return lack === undefined ? undefined : at(lack).path;
          },
        },
        say: (message) => said.push(message),
        doubt: (path) => doubted.push(path),
      }),
  };
  return model;
}

const added = (n: number): FolderTask => ({ changed: at(n).path, wanted: [at(n).path] });
const succeeded = (...all: number[]): FolderTask => ({ wanted: all.map((n) => at(n).path) });
const deleted = (n: number): FolderTask => ({ changed: at(n).path, wanted: [], deleted: true });
const unpublished = (n: number, staysMs: number): FolderTask => ({ changed: at(n).path, wanted: [], staysMs });
const missing = (n: number): FolderTask => ({ changed: at(n).path, wanted: [] });
const came = (n: number): FolderTask => ({ changed: at(n).path, wanted: [] });

function readIfThere(...names: string[]): Buffer | undefined {
  const file = join(...names);
  try {
    return readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Numbers of the items in the folder; each has its NAR and what it refers to. */
function inFolder(folder: string): number[] {
  const names = new Set(readdirSync(folder).filter((name) => name.endsWith('.narinfo')));
  return items.flatMap(({ path, info, nar }, n) => {
    if (!names.has(`${path.slice(0, 32)}.narinfo`)) return [];
    const there = readIfThere(folder, info.url);
    // It may go while it is looked at.
    if (there !== undefined || existsSync(join(folder, `${path.slice(0, 32)}.narinfo`))) assert.deepEqual(there, nar);
    for (const reference of info.references) assert.ok(names.has(`${reference.slice(0, 32)}.narinfo`), reference);
    return [n];
  });
}

/**
 * The same of a folder in the layout of guix publish, as that finds them: by the hash part, and by the narinfo of one compression. What goes while
 * it is looked at is not there.
 */
function inGuixFolder(folder: string): number[] {
  const list = (name: string): string[] => (existsSync(join(folder, name)) ? readdirSync(join(folder, name)) : []);
  const narinfos = guixPublishCompressions.flatMap((compression) =>
    list(compression).flatMap((name) => (name.endsWith('.narinfo') ? [[compression, name] as const] : [])),
  );
  const there = new Set(narinfos.map(([compression, name]) => `${compression}/${name}`));
  for (const [compression, name] of narinfos) {
    const narinfo = readIfThere(folder, compression, name)?.toString();
    if (narinfo === undefined) continue;
    const { storePath, references, nars } = parseGuixNarinfo(narinfo, '/gnu/store');
    assert.equal(`${basename(storePath)}.narinfo`, name);
    for (const { compression, fileSize } of nars)
      assert.equal(statSync(join(folder, compression, `${basename(storePath)}.nar`)).size, fileSize);
    for (const reference of references)
      assert.ok(there.has(`${compression}/${reference}.narinfo`), `${reference}, which ${storePath} refers to`);
  }
  const found = new Set(list('hashes').map((hashPart) => readIfThere(folder, 'hashes', hashPart)?.toString()));
  for (const path of found)
    assert.ok(path === undefined || narinfos.some(([, name]) => name === `${basename(path)}.narinfo`), path);
  return items.flatMap(({ path }, n) => (found.has(`/gnu/store/${path}`) ? [n] : []));
}

const forms = [
  { form: plain, look: inFolder, runs: 15 },
  { form: forGuix, look: inGuixFolder, runs: 6 },
];

describe('a folder that is written by tasks', () => {
  it('gets what succeeds with all that it refers to, and loses what is deleted after what refers to it', async () => {
    const { present, open, said } = createModel();
    const folder = join(root, 'publish');
    for (const n of items.keys()) present.add(n);
    {
      using writer = await open(folder);
      await writer.apply(succeeded(3, 4));
      assert.deepEqual(inFolder(folder), [0, 1, 2, 3, 4]);
      assert.ok(existsSync(join(folder, 'nix-cache-info')));
      present.delete(1);
      await writer.apply(deleted(1));
      assert.deepEqual(inFolder(folder), [0, 2, 4]);
      assert.equal(readdirSync(join(folder, 'nar')).length, 3);
      assert.match(said.join('\n'), new RegExp(`${at(3).path} is not in .* yet: the coordinator lacks ${at(1).path}`));
      // One that is not wanted and comes anyhow, and one that is not there any more.
      await writer.apply(came(7));
      present.delete(5);
      await writer.apply(succeeded(5));
      assert.deepEqual(inFolder(folder), [0, 2, 4]);
    }
    // It knows what waits after a restart too.
    using again = await open(folder);
    present.add(1);
    await again.apply(came(1));
    assert.deepEqual(inFolder(folder), [0, 1, 2, 3, 4]);
    present.delete(2);
    await again.apply(missing(2));
    assert.deepEqual(inFolder(folder), [0, 1, 4]);
    present.add(2);
    await again.apply(came(2));
    assert.deepEqual(inFolder(folder), [0, 1, 2, 3, 4]);
    assert.deepEqual(JSON.parse(readFileSync(join(folder, '.drover-mirror.json'), 'utf8')).waiting, []);
  });

  it('keeps NARs of what was unpublished for as long as clients may have the narinfo, over restarts too', async () => {
    const { present, open } = createModel();
    const folder = join(root, 'unpublished');
    const state = join(folder, '.drover-mirror.json');
    const nars = (): number => readdirSync(join(folder, 'nar')).length;
    for (const n of items.keys()) present.add(n);
    {
      using writer = await open(folder);
      await writer.apply(succeeded(3));
      present.delete(1);
      await writer.apply(unpublished(1, 3_600_000));
      // With what refers to it.
      assert.deepEqual(inFolder(folder), [0, 2]);
      assert.equal(nars(), 4);
      await writer.apply(deleted(1));
      assert.equal(nars(), 4);
    }
    {
      using again = await open(folder);
      await again.apply(deleted(1));
      assert.equal(nars(), 4);
    }
    const { leaving, ...others } = JSON.parse(readFileSync(state, 'utf8'));
    assert.deepEqual(Object.keys(leaving).sort(), [at(1).info.url, at(3).info.url].sort());
    writeFileSync(state, JSON.stringify({ ...others, leaving: { [at(3).info.url]: Date.now() + 3_600_000 } }));
    using later = await open(folder);
    await later.apply(came(7));
    assert.equal(nars(), 3);
    // It is served again meanwhile, and goes at once then: nobody waits.
    present.add(1);
    await later.apply(came(1));
    assert.deepEqual(inFolder(folder), [0, 1, 2, 3]);
    present.delete(2);
    await later.apply(unpublished(2, 100));
    // By itself, with no further task.
    while (existsSync(join(folder, at(2).info.url))) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(inFolder(folder), [0, 1]);
  });

  it('fails a task whose NAR is damaged in the pool, tells of it, and goes on with others', async () => {
    const { present, open, doubted } = createModel();
    const folder = join(root, 'doubt');
    for (const n of items.keys()) present.add(n);
    const { info, nar, path } = at(6);
    const file = createLayout(pool).nar({ hash: info.fileHash as string, compression: 'none' });
    writeFileSync(file, Buffer.from(nar).fill('?', 100, 101));
    using writer = await open(folder);
    await assert.rejects(writer.apply(succeeded(6)), new RegExp(`${path} could not be had: ${path}: expected a file`));
    assert.deepEqual(doubted, [path]);
    writeFileSync(file, nar);
    await writer.apply(succeeded(6));
    assert.deepEqual(inFolder(folder), [0, 1, 2, 3, 5, 6]);
  });

  it('brings what only an upstream has where something refers to it, also what is found later; its failure is nothing to others', async () => {
    const model = createModel();
    const { present, elsewhere, open, doubted } = model;
    const folder = join(root, 'upstream');
    for (const n of [1, 2, 3]) present.add(n);
    using writer = await open(folder);
    await writer.apply(succeeded(3));
    assert.deepEqual(inFolder(folder), []);
    present.add(0);
    elsewhere.add(0).add(2);
    model.give = () => {
      throw new Error('it is away');
    };
    const [, second] = await Promise.allSettled([writer.apply(came(0)), writer.apply(succeeded(3))]);
    assert.match(String((second as PromiseRejectedResult).reason), /item3 could not be had: .*item\d: it is away/);
    model.give = function* (nar) {
      yield nar.subarray(0, 60);
      throw new Error('it breaks off');
    };
    present.add(7);
    await assert.rejects(
      writer.apply(succeeded(3)),
      /item3 could not be had: .*item\d: the answer broke off: it breaks off/,
    );
    await writer.apply(added(7));
    assert.deepEqual(inFolder(folder), [7]);
    model.give = (nar) => [Buffer.from(nar).fill('?', 100, 101)];
    await assert.rejects(writer.apply(succeeded(3)), /could not be had: .*expected a/);
    // The other has the NAR of one that is there.
    assert.deepEqual(doubted, [at(0).path]);
    model.give = () => undefined;
    await writer.apply(succeeded(3));
    assert.deepEqual(inFolder(folder), [7]);
    model.give = (nar) => [nar];
    await writer.apply(came(0));
    assert.deepEqual(inFolder(folder), [0, 1, 2, 3, 7]);
    // The pool has it now.
    elsewhere.clear();
    await writer.apply(added(0));
    assert.deepEqual(inFolder(folder), [0, 1, 2, 3, 7]);
  });

  it('forgets nothing that waits when it is killed after it took out what refers to something that went', async () => {
    for (const gone of [missing(1), deleted(1)]) {
      const model = createModel();
      const folder = join(root, `killed ${gone.deleted}`);
      const state = join(folder, '.drover-mirror.json');
      for (const n of [0, 1, 2, 3]) model.present.add(n);
      let then: Buffer | undefined;
      {
        using writer = await model.open(folder);
        await writer.apply(succeeded(3));
        model.present.delete(1);
        // The first that is asked for once both went: what is written after that is taken back.
        model.onAsk = (path) => {
          if (path === at(3).path) then ??= readFileSync(state);
        };
        await writer.apply(gone);
        assert.deepEqual(inFolder(folder), [0, 2]);
      }
      assert.ok(then);
      writeFileSync(state, then);
      using again = await model.open(folder);
      await again.apply(gone);
      model.present.add(1);
      await again.apply(came(1));
      assert.deepEqual(inFolder(folder), [0, 1, 2, 3]);
    }
  });

  it('brings again what somebody has removed or cut, at its start and when it is delivered again', async () => {
    const { present, open } = createModel();
    const folder = join(root, 'removed');
    for (const n of [0, 1, 2, 3]) present.add(n);
    {
      using writer = await open(folder);
      await writer.apply(succeeded(3));
      rmSync(join(folder, `${at(3).path.slice(0, 32)}.narinfo`));
      await writer.apply(succeeded(3));
      assert.deepEqual(inFolder(folder), [0, 1, 2, 3]);
      truncateSync(join(folder, at(3).info.url), 5);
      await writer.apply(succeeded(3));
      assert.deepEqual(inFolder(folder), [0, 1, 2, 3]);
    }
    rmSync(join(folder, at(0).info.url));
    truncateSync(join(folder, at(2).info.url), 5);
    using again = await open(folder);
    assert.deepEqual(inFolder(folder), []);
    await again.apply(came(7));
    assert.deepEqual(inFolder(folder), [0, 1, 2, 3]);
  });

  it('brings what waits for something that is damaged in the pool once that was made anew', async () => {
    const { present, open, doubted } = createModel();
    const folder = join(root, 'damaged below');
    for (const n of [0, 1, 2, 3]) present.add(n);
    using writer = await open(folder);
    await writer.apply(succeeded(3));
    present.delete(1);
    await writer.apply(deleted(1));
    assert.deepEqual(inFolder(folder), [0, 2]);
    const { info, nar, path } = at(1);
    const file = createLayout(pool).nar({ hash: info.fileHash as string, compression: 'none' });
    writeFileSync(file, Buffer.from(nar).fill('?', 100, 101));
    present.add(1);
    await writer.apply(came(1));
    assert.deepEqual(doubted, [path]);
    present.delete(1);
    await writer.apply(missing(1));
    writeFileSync(file, nar);
    present.add(1);
    await writer.apply(came(1));
    assert.deepEqual(inFolder(folder), [0, 1, 2, 3]);
  });

  it('is no other than the one that was written before', async () => {
    const { present, open } = createModel();
    const folder = join(root, 'mount', 'cache');
    present.add(0);
    const disk = join(root, 'disk');
    {
      using writer = await open(folder);
      await writer.apply(succeeded(0));
    }
    renameSync(dirname(folder), disk);
    await mkdir(dirname(folder));
    await assert.rejects(
      open(folder, 'urn:x', true),
      /expected the folder that was written before, .* is its disk mounted/,
    );
    assert.deepEqual(readdirSync(dirname(folder)), []);
    rmSync(dirname(folder), { recursive: true });
    renameSync(disk, dirname(folder));
    using _ = await open(folder, 'urn:x', true);
  });

  it('belongs to one log, and to one writer', async () => {
    const { open } = createModel();
    const folder = join(root, 'one');
    {
      using _ = await open(folder);
      await assert.rejects(open(folder), { name: 'FolderInUse' });
    }
    await assert.rejects(open(folder, 'urn:y'), /has what is of urn:x, and this log is urn:y/);
  });

  for (const { form, look, runs } of forms)
    it(`ends as what is served, ${form.compressions ? 'in the layout of guix publish too, ' : ''}whatever happens, in any order between items, twice, and over restarts`, async () => {
      const change = fc.record({ n: fc.nat(edges.length - 1), deletes: fc.boolean(), upstream: fc.boolean() });
      const step = fc.oneof(
        { weight: 4, arbitrary: change },
        { weight: 4, arbitrary: fc.record({ deliver: fc.nat(edges.length - 1), twice: fc.boolean() }) },
        { weight: 1, arbitrary: fc.constant({ restart: true as const }) },
      );
      let run = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
          const { present, elsewhere, isServed, open } = createModel(form);
          const folder = join(root, `any-${form.storeDir.slice(1, 4)}-${run++}`);
          const owed = items.map((): FolderTask[] => []);
          let writer = await open(folder);
          for (const one of steps) {
            if ('n' in one) {
              const { n, deletes, upstream } = one;
              if (present.has(n) && !elsewhere.has(n)) {
                present.delete(n);
                owed[n]?.push(deletes ? deleted(n) : missing(n));
              } else if (upstream && !present.has(n)) {
                present.add(n);
                elsewhere.add(n);
                owed[n]?.push(came(n));
              } else {
                present.add(n);
                elsewhere.delete(n);
                owed[n]?.push(added(n));
              }
            } else if ('deliver' in one) {
              const task = owed[one.deliver]?.shift();
              if (task === undefined) continue;
              const all = [writer.apply(task)];
              if (one.twice) all.push(writer.apply(task));
              await Promise.all(all);
              look(folder);
            } else {
              writer[Symbol.dispose]();
              writer = await open(folder);
            }
          }
          await Promise.all(owed.flat().map((task) => writer.apply(task)));
          writer[Symbol.dispose]();
          // What only an upstream has is there where it was wanted before, or something refers to it.
          const got = look(folder);
          const isWanted = (n: number) => !elsewhere.has(n) || got.includes(n);
          assert.deepEqual(
            got,
            [...items.keys()].filter((n) => isServed(n) && isWanted(n)),
          );
          rmSync(folder, { recursive: true });
        }),
        { numRuns: Number(process.env.FOLDER_RUNS ?? runs) },
      );
    });

  it('has at no moment a narinfo without its NAR and what it refers to, whenever it is killed', async () => {
    for (const { form, look } of forms) {
      const { present, open } = createModel(form.compressions ? { ...form, compressions: ['zstd'] } : form);
      const folder = join(root, `moments ${form.storeDir.slice(1, 4)}`);
      for (const n of items.keys()) present.add(n);
      using writer = await open(folder);
      let isOver = false;
      let moments = 0;
      const watching = (async () => {
        for (; !isOver; moments++) {
          look(folder);
          await new Promise((resolve) => setImmediate(resolve));
        }
      })();
      await writer.apply(succeeded(6));
      present.delete(0);
      await writer.apply(deleted(0));
      isOver = true;
      await watching;
      assert.ok(moments > 20, `${moments}`);
      assert.deepEqual(look(folder), []);
    }
  });
});

describe('a folder in the layout of guix publish', () => {
  const file = (folder: string, compression: string, n: number, ending: string) =>
    join(folder, compression, `${at(n).path}.${ending}`);

  it('has one narinfo for all compressions, signed for Guix, NARs in each, for everybody to read', async () => {
    const { present, open } = createModel(forGuix);
    const folder = join(root, 'guix');
    for (const n of items.keys()) present.add(n);
    const umask = process.umask(0o077);
    try {
      using writer = await open(folder);
      await writer.apply(succeeded(3));
    } finally {
      process.umask(umask);
    }
    assert.deepEqual(inGuixFolder(folder), [0, 1, 2, 3]);
    assert.equal(readFileSync(join(folder, 'hashes', at(3).path.slice(0, 32)), 'utf8'), `/gnu/store/${at(3).path}`);
    const narinfo = readFileSync(file(folder, 'gzip', 3, 'narinfo'), 'utf8');
    assert.equal(faultOfNarinfo(narinfo, [key.publicKey.expression]), undefined);
    const { nars } = parseGuixNarinfo(narinfo, '/gnu/store');
    assert.deepEqual(
      nars.map(({ url, compression }) => [url, compression]),
      [
        [`nar/gzip/${at(3).path}`, 'gzip'],
        [`nar/zstd/${at(3).path}`, 'zstd'],
        [`nar/${at(3).path}`, 'none'],
      ],
    );
    const inodes = nars.map(({ compression }) => statSync(file(folder, compression, 3, 'narinfo')).ino);
    assert.equal(new Set(inodes).size, 1);
    for (const { compression } of nars) {
      const nar = file(folder, compression, 3, 'nar');
      assert.ok((await buffer(decompress(compression, createReadStream(nar)))).equals(at(3).nar), compression);
      for (const one of [nar, file(folder, compression, 3, 'narinfo')]) assert.equal(statSync(one).mode & 0o777, 0o644);
      assert.equal(statSync(join(folder, compression)).mode & 0o777, 0o755);
    }
  });

  it('leaves alone what is not its own, and takes the place of what somebody else has made of the same item', async () => {
    const { present, open } = createModel(forGuix);
    const folder = join(root, 'shared');
    present.add(0);
    await mkdir(join(folder, 'gzip'), { recursive: true });
    await mkdir(join(folder, 'hashes'));
    const foreign = ['gzip/other.nar', 'gzip/other.narinfo', 'hashes/other', 'gzip/being-made.nar.tmp'];
    for (const name of [...foreign, `gzip/${at(0).path}.narinfo`, `hashes/${at(0).path.slice(0, 32)}`])
      writeFileSync(join(folder, name), 'not ours');
    using writer = await open(folder);
    await writer.apply(succeeded(0));
    assert.match(readFileSync(file(folder, 'gzip', 0, 'narinfo'), 'utf8'), /^StorePath: /);
    present.delete(0);
    await writer.apply(unpublished(0, 3_600_000));
    assert.ok(!existsSync(join(folder, 'hashes', at(0).path.slice(0, 32))));
    assert.ok(!existsSync(file(folder, 'gzip', 0, 'narinfo')));
    assert.ok(existsSync(file(folder, 'gzip', 0, 'nar')), 'for clients that have the narinfo');
    present.add(0);
    await writer.apply(succeeded(0));
    present.delete(0);
    await writer.apply(deleted(0));
    for (const name of foreign) assert.equal(readFileSync(join(folder, name), 'utf8'), 'not ours');
    present.add(0);
    await writer.apply(succeeded(0));
    present.delete(0);
    await writer.apply(missing(0));
  });

  it('is made anew for other compressions, and mended where guix publish, or somebody, has removed some of it', async () => {
    const folder = join(root, 'changed');
    const { present, open } = createModel(forGuix);
    for (const n of items.keys()) present.add(n);
    {
      using writer = await open(folder);
      await writer.apply(succeeded(0, 1, 2));
      // As guix publish does with what has not been asked for.
      for (const name of [`gzip/${at(0).path}.narinfo`, `gzip/${at(0).path}.nar`, `hashes/${at(0).path.slice(0, 32)}`])
        rmSync(join(folder, name));
    }
    {
      using again = await open(folder);
      await again.apply(came(7));
      assert.deepEqual(inGuixFolder(folder), [0, 1, 2]);
      rmSync(join(folder, 'hashes', at(2).path.slice(0, 32)));
      await again.apply(succeeded(2));
      assert.deepEqual(inGuixFolder(folder), [0, 1, 2]);
    }
    const other = createModel({ ...forGuix, compressions: ['zstd'] });
    for (const n of items.keys()) other.present.add(n);
    using changed = await other.open(folder);
    await changed.apply(came(7));
    assert.deepEqual(inGuixFolder(folder), [0, 1, 2]);
    assert.deepEqual(readdirSync(join(folder, 'gzip')), []);
    await assert.rejects(
      openCacheFolder(folder),
      /expected a plain binary cache, got one in the layout of guix publish/,
    );
  });

  it('takes nothing of another store directory, and keeps nobody waiting for it', async () => {
    for (const form of [plain, forGuix]) {
      const { present, open } = createModel(form);
      present.add(0);
      const folder = join(root, `foreign ${form.storeDir.slice(1, 4)}`);
      using writer = await open(folder, 'urn:x', false, form === plain ? forGuix : plain);
      await writer.apply(succeeded(0));
      await writer.apply(added(0));
      assert.deepEqual(JSON.parse(readFileSync(join(folder, '.drover-mirror.json'), 'utf8')).waiting, []);
      assert.ok(!readdirSync(folder).some((name) => name.endsWith('.narinfo')));
    }
  });
});
