import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { streamOf } from '../../../adapters/pool/filesystem/pieces.ts';
import { openSpool, type SpoolWish, type WholeFile } from '../../../adapters/pool/filesystem/spool.ts';
import { createManualRuntime } from '../../support/manual-runtime.ts';
import { temporaryFolder } from './pools.ts';

/** A spool of 1,000 bytes, and what it was asked to make. */
async function open(folder: string, capacity = 1000) {
  const runtime = createManualRuntime();
  const troubles: string[] = [];
  const dir = join(folder, 'spool');
  const onTrouble = ({ message }: Error): void => void troubles.push(message);
  const spool = await openSpool({ dir, capacity, timers: runtime.timers, onTrouble });
  const made: string[] = [];
  const wish = (key: string, bytes: AsyncIterable<Uint8Array> | Uint8Array, most = 500): SpoolWish => ({
    key,
    most,
    make() {
      made.push(key);
      return bytes instanceof Uint8Array ? chunks(bytes) : bytes;
    },
  });
  async function whole(asked: SpoolWish): Promise<Buffer> {
    const found = await spool.open(asked, new AbortController().signal, 1);
    assert.equal(found?.state, 'whole');
    return buffer(streamOf(async () => (found as WholeFile).pieces(0, (found as WholeFile).size)));
  }
  return {
    dir,
    spool,
    runtime,
    troubles,
    made,
    wish,
    whole,
    [Symbol.asyncDispose]: () => spool[Symbol.asyncDispose](),
  };
}

async function* chunks(...all: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* all;
}

/** Bytes that come when the test says so. */
function slow() {
  const [begun, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let isEnded = false;
  const ended = Promise.withResolvers<void>();
  async function* bytes(): AsyncGenerator<Uint8Array> {
    try {
      yield Buffer.from('first ');
      begun.resolve();
      await go.promise;
      yield Buffer.from('last');
    } finally {
      isEnded = true;
      ended.resolve();
    }
  }
  return { bytes: bytes(), begun: begun.promise, go: go.resolve, ended: ended.promise, isEnded: () => isEnded };
}

const never = new AbortController().signal;

describe('the spool', () => {
  it('makes a file once for all who ask, and has it for the next, in any part', async () => {
    await using folder = await temporaryFolder();
    await using held = await open(folder.path);
    const { bytes, go } = slow();
    const wish = held.wish('a', bytes);
    const asked = Promise.all([held.whole(wish), held.whole(wish), held.whole(wish)]);
    go();
    assert.deepEqual((await asked).map(String), ['first last', 'first last', 'first last']);
    const found = (await held.spool.open(wish, never, 1)) as WholeFile;
    assert.equal(String(await buffer(streamOf(async () => found.pieces(2, 7)))), 'rst l');
    assert.deepEqual(held.made, ['a']);
    const again = (await held.spool.open(wish, never, 1)) as WholeFile;
    assert.deepEqual([again.size, again.hash], [10, found.hash]);
    await again.close();
  });

  it('makes room by what nobody has asked for longest, and lets go of it while it is read', async () => {
    await using folder = await temporaryFolder();
    await using held = await open(folder.path);
    for (const key of ['a', 'b', 'a', 'c', 'a', 'b']) await held.whole(held.wish(key, Buffer.alloc(300, key)));
    // 300 of each, and 500 that the next can get.
    assert.deepEqual(held.made, ['a', 'b', 'c', 'b']);
    assert.equal((await readdir(held.dir)).length, 2);
    const read = (await held.spool.open(held.wish('b', Buffer.alloc(0)), never, 1)) as WholeFile;
    for (const key of ['c', 'd', 'e']) await held.whole(held.wish(key, Buffer.alloc(300, key)));
    assert.deepEqual(await buffer(streamOf(async () => read.pieces(0, 300))), Buffer.alloc(300, 'b'));
    assert.equal(await held.spool.open(held.wish('f', Buffer.alloc(1), 1001), never, 1), undefined);
    assert.deepEqual(held.troubles, []);
  });

  it('goes on with what somebody waits for still, and ends what nobody does', async () => {
    await using folder = await temporaryFolder();
    await using held = await open(folder.path);
    const source = slow();
    const wish = held.wish('a', source.bytes);
    const [one, other] = [new AbortController(), new AbortController()];
    const first = held.spool.open(wish, one.signal, 1);
    const second = held.spool.open(wish, other.signal, 1);
    await source.begun;
    one.abort();
    await assert.rejects(first, { name: 'AbortError' });
    assert.equal(source.isEnded(), false);
    other.abort();
    await assert.rejects(second, { name: 'AbortError' });
    // Whoever comes now has it made anew.
    assert.equal(String(await held.whole(held.wish('a', Buffer.from('x')))), 'x');
    source.go();
    await source.ended;
    assert.deepEqual(held.made, ['a', 'a']);
    assert.equal(String(await held.whole(held.wish('a', Buffer.from('y')))), 'x');
  });

  it('gives what there is to who has waited for long, and the rest as it comes', async () => {
    await using folder = await temporaryFolder();
    await using held = await open(folder.path);
    const { bytes, begun, go } = slow();
    const asked = held.spool.open(held.wish('a', bytes), never, 10);
    await begun;
    held.runtime.advance(10);
    const found = await asked;
    assert.equal(found?.state, 'growing');
    const each = (found as { read(): AsyncIterable<Uint8Array> }).read()[Symbol.asyncIterator]();
    assert.equal(String((await each.next()).value), 'first ');
    go();
    assert.equal(String((await each.next()).value), 'last');
    assert.equal((await each.next()).done, true);
  });

  it('tells all who wait what is wrong with the source, and tries again for the next', async () => {
    await using folder = await temporaryFolder();
    await using held = await open(folder.path);
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('some');
      throw new RangeError('no more');
    }
    const wish = held.wish('a', failing());
    const asked = [held.whole(wish), held.whole(wish)];
    for (const each of asked) await assert.rejects(each, RangeError);
    assert.deepEqual(await readdir(held.dir), []);
    assert.equal(String(await held.whole(held.wish('a', Buffer.from('x')))), 'x');
  });

  it('does not believe what it did not make: of an earlier process, cut off, or gone', async () => {
    await using folder = await temporaryFolder();
    await mkdir(join(folder.path, 'spool'));
    await writeFile(join(folder.path, 'spool', '1'), 'of somebody else');
    await using held = await open(folder.path);
    assert.deepEqual(await readdir(held.dir), []);
    const wish = held.wish('a', Buffer.from('long'));
    await held.whole(wish);
    const [file = ''] = await readdir(held.dir);
    await truncate(join(held.dir, file), 2);
    assert.equal(String(await held.whole(wish)), 'long');
    await rm(held.dir, { recursive: true });
    assert.equal(String(await held.whole(wish)), 'long');
    assert.deepEqual(held.made, ['a', 'a', 'a']);
  });

  it('that is switched off, or whose folder takes nothing, has nothing to give', async () => {
    await using folder = await temporaryFolder();
    await using off = await open(folder.path, 0);
    assert.equal(await off.spool.open(off.wish('a', Buffer.from('x')), never, 1), undefined);
    await using held = await open(folder.path);
    await rm(held.dir, { recursive: true });
    await writeFile(held.dir, '');
    for (const key of ['a', 'b'])
      assert.equal(await held.spool.open(held.wish(key, Buffer.from('x')), never, 1), undefined);
    assert.equal(held.troubles.length, 1);
    await rm(held.dir);
    assert.equal(String(await held.whole(held.wish('c', Buffer.from('x')))), 'x');
  });

  it('keeps its folder, which may be a disk of its own or a link to one, and what is not its own there', async () => {
    await using folder = await temporaryFolder();
    const elsewhere = join(folder.path, 'disk');
    await mkdir(join(elsewhere, 'lost+found'), { recursive: true });
    await writeFile(join(elsewhere, '1'), 'of an earlier process');
    await symlink(elsewhere, join(folder.path, 'spool'));
    await using held = await open(folder.path);
    assert.deepEqual(await readdir(elsewhere), ['lost+found']);
    assert.equal(String(await held.whole(held.wish('a', Buffer.from('all')))), 'all');
    assert.deepEqual((await readdir(elsewhere)).sort(), ['1', 'lost+found']);
    assert.deepEqual(held.troubles, []);
  });

  it('begins where its folder cannot be had, and has it emptied as soon as it can', async () => {
    await using folder = await temporaryFolder();
    const dir = join(folder.path, 'spool');
    await writeFile(dir, 'no folder');
    await using held = await open(folder.path);
    assert.equal(held.troubles.length, 1);
    assert.equal(await held.spool.open(held.wish('a', Buffer.from('all')), never, 1), undefined);
    await rm(dir);
    await mkdir(dir);
    await writeFile(join(dir, '2'), 'of an earlier process');
    assert.equal(String(await held.whole(held.wish('a', Buffer.from('all')))), 'all');
    assert.equal((await readdir(dir)).length, 1);
    assert.equal(held.troubles.length, 1);
  });

  it('leaves room for the log on a disk that gets full', async (context) => {
    await using folder = await temporaryFolder();
    const mount = ['-t', 'tmpfs', '-o', 'size=4m', 'drover-test', folder.path];
    if (spawnSync('mount', mount).status !== 0)
      return context.skip('needs to mount a small tmpfs, which only root may do (and not in every container)');
    try {
      await using held = await open(folder.path, 100_000_000);
      const large = Buffer.alloc(2_000_000, 'large');
      assert.deepEqual(await held.whole(held.wish('a', large, 2_100_000)), large);
      // The other one goes.
      assert.deepEqual(await held.whole(held.wish('b', large, 3_000_000)), large);
      assert.equal((await readdir(held.dir)).length, 1);
      await writeFile(join(folder.path, 'filler'), Buffer.alloc(1_500_000));
      assert.equal(await held.spool.open(held.wish('c', large, 3_000_000), never, 1), undefined);
      // It gets longer than was thought.
      assert.equal(await held.spool.open(held.wish('d', Buffer.alloc(3_000_000), 10), never, 1), undefined);
      assert.equal(held.troubles.length, 1);
      assert.ok(existsSync(join(folder.path, 'filler')));
    } finally {
      spawnSync('umount', ['--lazy', folder.path]);
    }
  });
});

it('gives no file as a whole whose bytes were changed, and has it made anew for who asks next', async () => {
  await using folder = await temporaryFolder();
  await using spool = await open(folder.path);
  const wish = spool.wish('a', Buffer.from('as it was made'));
  await spool.whole(wish);
  const [name = ''] = await readdir(spool.dir);
  await writeFile(join(spool.dir, name), 'as it was Made');
  await assert.rejects(spool.whole(wish), /expected a file with sha256:/);
  assert.equal((await spool.whole(wish)).toString(), 'as it was made');
  assert.deepEqual(spool.made, ['a', 'a']);
});
