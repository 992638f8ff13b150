import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { isTemporary } from '../../../adapters/data-dir/durable.ts';
import { decodePart, encodePart } from '../../../adapters/snapshots/codec.ts';
import { foldFingerprint } from '../../../adapters/snapshots/fingerprint.ts';
import { createSnapshotFolder, removeUnfinishedSnapshots } from '../../../adapters/snapshots/folder.ts';
import type { FoldedTo } from '../../../coordinator/ports/snapshots.ts';
import { createMemory } from '../../../projections/memory.ts';
import { noMounting } from '../../support/e2e/mounting.ts';

const foldedTo = (events: number): FoldedTo => ({
  mark: { stream: 'build-s-1', revision: 3, commit: `c.${events}`, position: String(events).padStart(16, '0') },
  chain: { size: events, subtrees: ['YQ=='], last: 'Yg==' },
  events,
  unknown: 1,
  firstUnknown: 'item-x@0: unknown type Y',
  hasLinks: true,
  unlinkedFrom: undefined,
  storeDir: '/nix/store',
});
const parts = new Map<string, unknown>([
  ['ints', Int32Array.of(1, -2, 3)],
  ['floats', Float64Array.of(0.5, Number.POSITIVE_INFINITY)],
  ['singles', Float32Array.of(0.5, Number.POSITIVE_INFINITY)],
  ['bytes', Uint8Array.of(7)],
  ['empty', new Int32Array(0)],
  ['map', new Map([[1, { at: 1.5, names: new Set(['a']), gone: undefined }]])],
  ['nothing', undefined],
]);

const folders: string[] = [];
after(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

async function folderOfTest(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'drover-snapshots-'));
  folders.push(folder);
  return folder;
}

async function open(fingerprint = 'one') {
  const dir = join(await folderOfTest(), 'snapshots');
  const told: string[] = [];
  const of = (print: string) =>
    createSnapshotFolder({
      dir,
      fingerprint: print,
      unusable: (error, file) => void told.push(`${file}: ${error.message}`),
      ofAnotherProgram: (file) => void told.push(`${file}: of another program`),
    });
  return { dir, told, of, folder: of(fingerprint) };
}

/** Those that can be read as a whole; why others cannot is added to `told`. */
async function all(folder: ReturnType<typeof createSnapshotFolder>, told: string[] = []) {
  const found = [];
  for await (const { foldedTo, parts } of folder.newest()) {
    const read = new Map<string, unknown>();
    try {
      for await (const [name, saved] of parts) read.set(name, saved);
      found.push({ foldedTo, parts: read });
    } catch (error) {
      told.push((error as Error).message);
    }
  }
  return found;
}

describe('snapshots in a folder', () => {
  it('are what was written, the newest first, and two are kept', async () => {
    const { dir, told, folder } = await open();
    assert.deepEqual(await all(folder), []);
    for (const events of [9, 20, 100]) await folder.write(foldedTo(events), parts);
    const found = await all(folder);
    assert.deepEqual(
      found.map((snapshot) => snapshot.foldedTo),
      [foldedTo(100), foldedTo(20)],
    );
    assert.deepEqual(found[0]?.parts, parts);
    assert.equal((await readdir(dir)).length, 2);
    assert.deepEqual(told, []);
  });

  it('are left alone by a program that folds otherwise', async () => {
    const { of, told, folder } = await open();
    await folder.write(foldedTo(1), parts);
    assert.deepEqual(await all(of('other')), []);
    assert.match(told[0] ?? '', /\.snapshot: of another program$/);
    assert.equal((await all(folder)).length, 1);
  });

  it('stay where programs of two versions write: that of the next one is there for its first start, that of the one before to go back to', async () => {
    const { of } = await open('old');
    const eventsOf = async (print: string) => (await all(of(print))).map((snapshot) => snapshot.foldedTo.events);
    for (const events of [80, 100]) await of('old').write(foldedTo(events), parts);
    // Folded ahead of an upgrade, up to a little before the newest of the coordinator that runs, and up to the very event.
    for (const events of [90, 100]) await of('new').write(foldedTo(events), parts);
    assert.deepEqual([await eventsOf('old'), await eventsOf('new')], [[100], [100, 90]]);
    for (const events of [200, 300, 400]) await of('old').write(foldedTo(events), parts);
    assert.deepEqual([await eventsOf('old'), await eventsOf('new')], [[400, 300], [100]]);
    for (const events of [500, 600]) await of('new').write(foldedTo(events), parts);
    assert.deepEqual([await eventsOf('old'), await eventsOf('new')], [[400], [600, 500]]);
    await of('newer').write(foldedTo(700), parts);
    assert.deepEqual([await eventsOf('old'), await eventsOf('new'), await eventsOf('newer')], [[], [600], [700]]);
  });

  it('are passed over where a single byte is not what was written, or some are missing', async () => {
    const { dir, told, folder } = await open();
    const { file } = await folder.write(foldedTo(1), parts);
    const whole = await readFile(file);
    for (let at = 0; at < whole.length; at++) {
      const spoilt = Buffer.from(whole);
      spoilt[at] = (spoilt[at] as number) ^ 1;
      await writeFile(file, spoilt);
      assert.deepEqual(await all(folder, told), [], `byte ${at}`);
    }
    assert.equal(told.length, whole.length);
    assert.match(told[0] ?? '', /its head is not what was written/);
    assert.match(told.at(-1) ?? '', /^nothing is not what was written/);
    for (const length of [0, 1, whole.length - 1]) {
      await writeFile(file, whole);
      await truncate(file, length);
      assert.deepEqual(await all(folder), [], `${length} bytes`);
    }
    // Those that were being written when their process was killed, and one whose process runs.
    const { pid: killed } = spawnSync('true');
    const ofRunning = `${'0'.repeat(15)}-one.snapshot.${process.ppid}.tmp`;
    for (const name of [`${'0'.repeat(15)}.snapshot.tmp`, `${'0'.repeat(15)}-one.snapshot.${killed}.tmp`, ofRunning])
      await writeFile(join(dir, name), whole.subarray(0, 10));
    await removeUnfinishedSnapshots(dir);
    await folder.write(foldedTo(2), parts);
    assert.deepEqual((await readdir(dir)).filter(isTemporary), [ofRunning]);
    assert.equal((await all(folder)).length, 1);
  });
});

describe('a folder of snapshots', () => {
  it('keeps what is written on a log that has lost its end, and not what was of that end', async () => {
    const { dir, folder } = await open();
    for (const events of [80, 100]) await folder.write(foldedTo(events), parts);
    for (const events of [60, 70]) {
      const { file } = await folder.write(foldedTo(events), parts);
      assert.ok((await readdir(dir)).includes(basename(file)));
    }
    assert.deepEqual(
      (await all(folder)).map((snapshot) => snapshot.foldedTo.events),
      [70, 60],
    );
  });

  it('keeps no start from folding the log where it is none, or has what is no file', async () => {
    const { dir, told, folder } = await open();
    await writeFile(dir, 'no folder');
    assert.deepEqual(await all(folder), []);
    assert.match(told[0] ?? '', /ENOTDIR/);
    await removeUnfinishedSnapshots(dir);
    await rm(dir);
    await mkdir(join(dir, `${'9'.repeat(15)}-one.snapshot`), { recursive: true });
    await symlink('/nowhere', join(dir, `${'8'.repeat(15)}-one.snapshot`));
    await folder.write(foldedTo(1), parts);
    told.length = 0;
    assert.equal((await all(folder)).length, 1);
    assert.deepEqual(
      told.map((message) => message.replace(dir, '')),
      ['9', '8'].map((digit) => `/${digit.repeat(15)}-one.snapshot: expected a file, got something else`),
    );
  });

  it('belongs, with what root writes there, to whoever keeps the log', { skip: process.getuid?.() !== 0 }, async () => {
    const { dir, folder } = await open();
    await chown(dirname(dir), 12_345, 54_321);
    const { file } = await folder.write(foldedTo(1), parts);
    for (const path of [dir, file]) {
      const { uid, gid } = await stat(path);
      assert.deepEqual([uid, gid], [12_345, 54_321], path);
    }
  });

  it('leaves the log its room, and nothing of what it could not write', { skip: noMounting }, async () => {
    const { dir, folder } = await open();
    await mkdir(dir);
    await using disk = new AsyncDisposableStack();
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', dir]);
    disk.defer(() => void execFileSync('umount', [dir]));
    await folder.write(foldedTo(1), parts);
    const large = (bytes: number) => new Map([['large', new Uint8Array(bytes)]]);
    // All of the disk would hold it.
    await assert.rejects(folder.write(foldedTo(2), large(4 * 1024 * 1024 - 32 * 1024)), /room for \d+ bytes/);
    assert.deepEqual(await readdir(dir), [`${'1'.padStart(15, '0')}-one.snapshot`]);
    // A rename that fails.
    await mkdir(join(dir, `${'3'.padStart(15, '0')}-one.snapshot`));
    await assert.rejects(folder.write(foldedTo(3), parts), /EISDIR|ENOTEMPTY|EEXIST/);
    assert.deepEqual((await readdir(dir)).filter(isTemporary), []);
  });
});

describe('parts of a snapshot', () => {
  it('come back as they were', () => {
    // There is one zero: no fold tells it from the other.
    const plain = fc.anything({
      withMap: true,
      withSet: true,
      withTypedArray: false,
      maxDepth: 3,
      key: fc.string().filter((key) => key !== '__proto__'), // No schema takes it.
      values: [fc.double().map((value) => value + 0), fc.string(), fc.boolean(), fc.constant(undefined)],
    });
    fc.assert(
      fc.property(plain, (value) => assert.deepEqual(decodePart(encodePart('part', value)), value)),
      { numRuns: 200 },
    );
  });
});

describe('the memory of projections', () => {
  it('is saved and loaded by name, and no two have the same', () => {
    const fill = () => {
      const memory = createMemory();
      const of = memory.within('a.');
      const kept = {
        ints: of.ints('ints'),
        floats: of.floats('floats', 1),
        list: of.list<string>('list'),
        map: of.map<number, string>('map'),
        set: of.set<number>('set'),
      };
      return { memory, kept };
    };
    const { memory, kept } = fill();
    assert.throws(() => memory.ints('a.ints'), /a\.ints/);
    for (let n = 0; n < 3000; n++) kept.ints.push(n);
    kept.list.push('x');
    kept.map.set(2, 'two').set(1, 'one');
    kept.set.add(3);
    const other = fill();
    for (const [name, part] of other.memory.parts)
      part.load(decodePart(encodePart(name, memory.parts.get(name)?.save())));
    for (const one of [kept, other.kept]) {
      one.ints.push(3000);
      one.floats.push(0.5);
    }
    const values = ({ ints, floats, list, map, set }: typeof kept) => [
      [...ints.values.subarray(0, ints.length)],
      [...floats.values.subarray(0, floats.length)],
      list,
      [...map],
      [...set],
    ];
    assert.deepEqual(values(other.kept), values(kept));
  });
});

describe('the fingerprint of a program', () => {
  it('is the same each time, and another where anything that folds is another', async () => {
    assert.equal(foldFingerprint(), foldFingerprint());
    const root = await folderOfTest();
    for (const folder of ['domain', 'projections', 'coordinator/audit', 'coordinator/log', 'adapters/snapshots'])
      await mkdir(join(root, folder), { recursive: true });
    const of = () => foldFingerprint(pathToFileURL(join(root, 'adapters/snapshots/fingerprint.ts')).href);
    const seen = new Set([of()]);
    for (const [file, text] of [
      ['domain/a.ts', 'a'],
      ['domain/a.ts', 'b'],
      ['projections/c.ts', ''],
      ['domain/d.md', 'no program'],
    ] as const) {
      await writeFile(join(root, file), text);
      seen.add(of());
    }
    assert.equal(seen.size, 4);
    // As the package has it.
    await rm(join(root, 'domain'), { recursive: true });
    seen.add(of());
    await writeFile(join(root, 'program.ts'), 'all of it');
    assert.equal(seen.add(of()).size, 6);
    // Files that esbuild has named by their content.
    const packaged = () => foldFingerprint(pathToFileURL(join(root, 'cli/main/main.js')).href);
    await writeFile(join(root, 'fold-AAAAAAA2.js'), 'one');
    seen.add(packaged());
    await rename(join(root, 'fold-AAAAAAA2.js'), join(root, 'fold-BBBBBBB2.js'));
    seen.add(packaged());
    await writeFile(join(root, 'fold-BBBBBBB2.js'), 'another');
    assert.equal(seen.add(packaged()).size, 9);
  });
});
