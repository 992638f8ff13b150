import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, open, readFile, rename, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { constants, zstdCompressSync } from 'node:zlib';
import type { Pool, PoolFile } from '../../../coordinator/ports/pool.ts';
import type { StoreItem } from '../../../domain/item/events.ts';
import { zstdWindowLogMax } from '../../../domain/limits.ts';
import { declarationOf, hashPartOf, narOf, noise, sha256Of } from './nars.ts';
import { accepted, contentsOf, filesIn, openPool, refusal, send, temporaryFolder, temporaryPool } from './pools.ts';

type Item = Omit<StoreItem, 'signatures'>;
const part = hashPartOf('a');
const reference = `${part}-a`;

/** A published item that refers to another, and the path of its file. */
async function publish(pool: Pool, dir: string, compression: 'none' | 'zstd' = 'zstd', length = 700_000) {
  // Noise takes its time to make.
  const tool = length > 1_000_000 ? Buffer.alloc(length, 'abcdefgh') : noise(length);
  const nar = await narOf({ tool, doc: `see /nix/store/${part}-a` });
  const file = compression === 'zstd' ? zstdCompressSync(nar) : nar;
  const { id } = accepted(await send(pool, declarationOf(nar, file, { references: [reference] }), file, []));
  await pool.publish(id);
  const item = (await pool.finished(id, 'sender'))?.item as Item;
  const [path = ''] = (await filesIn(join(dir, 'nar'))).map((name) => join(dir, 'nar', name));
  return { item, path, file, nar, id };
}

/** Changes one byte and makes the file look untouched, as far as a program can. */
async function flip(path: string, at: number): Promise<void> {
  const { mtime, atime } = await stat(path);
  const handle = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, at);
  byte[0] = (byte[0] as number) ^ 1;
  await handle.write(byte, 0, 1, at);
  await handle.close();
  await utimes(path, atime, mtime);
}

async function readAll(file: PoolFile | undefined): Promise<{ bytes: number; error?: Error }> {
  let bytes = 0;
  try {
    for await (const chunk of (file as PoolFile).read(0, (file as PoolFile).size)) bytes += chunk.length;
    return { bytes };
  } catch (error) {
    return { bytes, error: error as Error };
  }
}

describe('a published file', () => {
  it('is read once for all who ask while it is being read, as those do who get no answer for long', async () => {
    await using folder = await temporaryFolder();
    const first = await openPool(folder.path);
    const { item, file } = await publish(first, folder.path);
    await first[Symbol.asyncDispose]();
    // One that has not verified it lately.
    await using pool = await openPool(folder.path);
    let bytes = 0;
    const read = (more: number) => {
      bytes += more;
    };
    const asked = Array.from({ length: 5 }, () => pool.check(item, { how: 'recent', read }));
    assert.deepEqual(await Promise.all(asked), Array(5).fill(undefined));
    assert.equal(bytes, file.length);
  });

  for (const compression of ['none', 'zstd'] as const) {
    it(`is found damaged wherever a bit of it was turned (${compression})`, async () => {
      await using held = await temporaryPool();
      const { pool, dir } = held;
      const { item, path, file } = await publish(pool, dir, compression, 5000);
      assert.equal(await pool.check(item), undefined);
      for (let at = 0; at < file.length; at += 487) {
        await flip(path, at);
        const fault = await pool.check(item, { how: 'recent' });
        assert.equal(fault?.kind, 'damaged', `byte ${at}`);
        assert.match(fault?.message ?? '', /expected/);
        await flip(path, at);
      }
      assert.equal(await pool.check(item, { how: 'recent' }), undefined);
    });
  }

  it('is held against all that is said of it', async () => {
    await using held = await temporaryPool();
    const { pool, dir } = held;
    const { item, path } = await publish(pool, dir);
    const other = `sha256:${'1'.repeat(52)}`;
    const kindOf = async (changes: Partial<Item>) => (await pool.check({ ...item, ...changes }))?.kind;
    assert.equal(await kindOf({ narHash: other }), 'damaged');
    assert.equal(await kindOf({ narSize: item.narSize + 1 }), 'damaged');
    assert.equal(await kindOf({ references: [reference, `${hashPartOf('b')}-b`] }), 'wrong-references');
    // Those of a source are in its path.
    assert.equal(await kindOf({ references: [`${hashPartOf('b')}-b`], ca: 'fixed:r:sha256:x' }), undefined);
    assert.equal(await kindOf({ file: { ...item.file, size: item.file.size + 1 } }), 'wrong-size');
    await writeFile(path, 'short');
    for (const how of ['size', 'recent', 'all'] as const)
      assert.equal((await pool.check(item, { how }))?.kind, 'wrong-size', how);
    await pool.remove(item.file);
    for (const how of ['size', 'recent', 'all'] as const)
      assert.equal((await pool.check(item, { how }))?.kind, 'absent', how);
  });

  it('is not wrong for what was let in when it came, and would not be today', async () => {
    await using held = await temporaryPool();
    const { pool, dir } = held;
    const nar = await narOf(Buffer.alloc(20_000_000, 'abcdefgh'));
    const params = { [constants.ZSTD_c_windowLog]: zstdWindowLogMax + 1, [constants.ZSTD_c_contentSizeFlag]: 0 };
    const file = zstdCompressSync(nar, { params });
    assert.equal(refusal(await send(pool, declarationOf(nar, file), file)).code, 'wrong-compression');
    const { path, narHash, narSize } = declarationOf(nar, file);
    const hash = sha256Of(file);
    const item: Item = {
      path,
      narHash,
      narSize,
      references: [],
      file: { hash, size: file.length, compression: 'zstd' },
    };
    const digest = hash.slice('sha256:'.length);
    const place = join(dir, 'nar', digest.slice(0, 2), `${digest}.nar.zst`);
    await mkdir(dirname(place), { recursive: true });
    await writeFile(place, file);
    assert.equal(await pool.check(item), undefined);
    await flip(place, file.length - 20);
    assert.equal((await pool.check(item))?.kind, 'damaged');
  });

  it('that is deleted while it is read is read to its end', async () => {
    await using held = await temporaryPool();
    const { pool, dir } = held;
    const { item, file } = await publish(pool, dir, 'none', 3_000_000);
    const parts: Buffer[] = [];
    for await (const chunk of (await pool.open(item.file))?.read(0, file.length) ?? []) {
      if (parts.push(chunk as Buffer) === 1) await pool.remove(item.file);
    }
    assert.ok(Buffer.concat(parts).equals(file));
    assert.equal(await pool.open(item.file), undefined);
  });

  it('that was verified is remembered for a while, and while nobody touches it', async () => {
    let now = 0;
    await using held = await temporaryPool({ clock: { now: () => 0, monotonic: () => now } });
    const { pool, dir } = held;
    const { item, path } = await publish(pool, dir);
    const bytesRead = async (how: 'all' | 'recent' | 'size') => {
      let bytes = 0;
      const read = (count: number) => {
        bytes += count;
      };
      await pool.check(item, { how, read });
      return bytes;
    };
    assert.equal(await bytesRead('recent'), 0, 'it was verified when it came');
    assert.equal((await pool.open(item.file))?.verified, true);
    assert.equal(await bytesRead('all'), item.file.size);
    now += 11 * 60 * 1000;
    assert.equal((await pool.open(item.file))?.verified, false);
    assert.equal(await bytesRead('size'), 0);
    assert.equal(await bytesRead('recent'), item.file.size);
    assert.equal(await bytesRead('recent'), 0);
    const { atime, mtime } = await stat(path);
    await utimes(path, atime, mtime);
    assert.equal(await bytesRead('recent'), item.file.size);
  });

  it('never ends well for a reader of its wrong bytes, and is verified by one of its right ones', async () => {
    await using folder = await temporaryFolder();
    let published: Awaited<ReturnType<typeof publish>>;
    {
      await using before = await openPool(folder.path);
      published = await publish(before, folder.path);
    }
    // Another start has verified nothing yet.
    await using pool = await openPool(folder.path);
    const { item, path, file } = published;
    const fresh = await pool.open(item.file);
    assert.equal(fresh?.verified, false);
    // Only the whole can be held against the hash.
    assert.deepEqual(await contentsOf(fresh, 10, 20), file.subarray(10, 20));
    assert.equal(fresh?.verified, false);
    assert.deepEqual(await contentsOf(fresh), file);
    assert.equal(fresh?.verified, true);
    assert.deepEqual(await contentsOf(await pool.open(item.file)), file);
    for (const at of [0, 300_000, file.length - 1]) {
      await flip(path, at);
      const { bytes, error } = await readAll(await pool.open(item.file));
      assert.equal(error?.name, 'FileDamaged');
      assert.ok(bytes < file.length, `${bytes} of ${file.length}`);
      await flip(path, at);
    }
    const cut = await pool.open(item.file);
    await writeFile(path, file.subarray(0, 400_000));
    assert.equal((await readAll(cut)).error?.name, 'FileDamaged');
  });

  it('that is put in the place of a wrong one while that is read is what counts', async () => {
    await using held = await temporaryPool();
    const { pool, dir } = held;
    const { item, path, file } = await publish(pool, dir, 'none', 20_000_000);
    await flip(path, file.length - 500);
    let replaced: Promise<void> | undefined;
    const fault = await pool.check(item, {
      read: () => {
        replaced ??= writeFile(`${path}.new`, file).then(() => rename(`${path}.new`, path));
      },
    });
    assert.notEqual(replaced, undefined);
    await replaced;
    // Which of the two was seen last depends on the disk; what is there now is right.
    if (fault !== undefined) assert.equal(fault.kind, 'damaged');
    assert.equal(await pool.check(item), undefined);
  });

  it('need not be read to its end', async () => {
    await using held = await temporaryPool();
    const { pool, dir } = held;
    const { item } = await publish(pool, dir, 'none', 20_000_000);
    const stop = new AbortController();
    let bytes = 0;
    const read = (count: number) => {
      bytes += count;
      stop.abort(new Error('enough'));
    };
    await assert.rejects(pool.check(item, { signal: stop.signal, read }), /enough/);
    assert.ok(bytes < item.file.size);
    // And leaves the verifier as it was.
    assert.equal(await pool.check(item), undefined);
    const stream = (await pool.open(item.file))?.read(0, 1000);
    if (stream !== undefined) await once(stream.resume(), 'end');
  });

  it('that was damaged after its upload was published is sent anew', async () => {
    await using held = await temporaryPool();
    const { pool, dir } = held;
    const { item, path, file, nar, id } = await publish(pool, dir);
    await flip(path, 1000);
    assert.equal(await pool.finished(id, 'sender'), undefined);
    const declaration = declarationOf(nar, file, { references: [reference] });
    const begun = accepted(await pool.begin('sender', declaration, []));
    assert.deepEqual([begun.finished, begun.offset], [false, 0]);
    const again = accepted(await send(pool, declaration, file, []));
    await pool.publish(again.id);
    assert.equal(await pool.check(item), undefined);
    assert.deepEqual(await readFile(path), file);
  });
});
