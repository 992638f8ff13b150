import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { silentWriterMs } from '../../../adapters/pool/filesystem/upload.ts';
import { createManualRuntime } from '../../support/manual-runtime.ts';
import { chunksOf, cutAfter, declarationOf, hashPartOf, narOf, noise, sha256Of } from './nars.ts';
import {
  accepted,
  contentsOf,
  filesIn,
  type Outcome,
  openPool,
  refusal,
  send,
  temporaryFolder,
  temporaryPool,
} from './pools.ts';

const part = hashPartOf('a');

describe('an upload', () => {
  for (const compression of ['none', 'zstd'] as const) {
    it(`is verified, finished, published and read (${compression})`, async () => {
      await using held = await temporaryPool();
      const { pool } = held;
      const nar = await narOf({ bin: { tool: noise(200_000) }, doc: `see /gnu/store/${part}-a` });
      const file = compression === 'zstd' ? zstdCompressSync(nar) : nar;
      const declaration = declarationOf(nar, file, { references: [`${part}-a`], deriver: `${part}-x.drv` });
      const { id, finished } = accepted(await send(pool, declaration, file, [hashPartOf('b')]));
      assert.equal(finished, true);
      const { path, narHash, narSize, references, deriver } = declaration;
      const published = { hash: sha256Of(file), size: file.length, compression };
      assert.deepEqual(await pool.finished(id, 'sender'), {
        id,
        item: { path, narHash, narSize, references, deriver, file: published },
      });
      // Not visible to anybody before it is published.
      assert.equal(await pool.has(published), false);
      assert.equal(await pool.open(published), undefined);
      await pool.publish(id);
      await pool.publish(id);
      assert.equal(await pool.has(published), true);
      assert.equal(await pool.has({ ...published, size: published.size + 1 }), false);
      assert.deepEqual(await contentsOf(await pool.open(published)), file);
      assert.deepEqual(await contentsOf(await pool.open(published), 100, 300), file.subarray(100, 300));
      assert.deepEqual(await contentsOf(await pool.open(published), 100, 100), Buffer.alloc(0));
      assert.ok(await pool.finished(id, 'sender'));
      await pool.remove(published);
      await pool.remove(published);
      assert.equal(await pool.has(published), false);
      assert.equal(await pool.finished(id, 'sender'), undefined);
      await assert.rejects(pool.publish(id), { code: 'unknown-upload' });
      // And it can be sent anew.
      assert.equal(accepted(await pool.begin('sender', declaration, [hashPartOf('b')])).offset, 0);
    });
  }

  it('whose file has gone is begun anew once, by however many at the same time', async () => {
    await using held = await temporaryPool();
    const { pool, dir } = held;
    for (let round = 0; round < 20; round++) {
      const nar = await narOf(noise(1000, `round ${round}`));
      const declaration = declarationOf(nar);
      const { id } = accepted(await send(pool, declaration, nar));
      await pool.publish(id);
      await pool.remove({ hash: sha256Of(nar), size: nar.length, compression: 'none' });
      const senders = Array.from({ length: 4 }, async () => accepted(await pool.begin('sender', declaration)).offset);
      assert.deepEqual(await Promise.all(senders), [0, 0, 0, 0]);
      assert.deepEqual(await filesIn(join(dir, 'uploads', id)), ['declaration.json']);
      assert.equal(accepted(await pool.write(id, 'sender', 0, chunksOf(nar))).finished, true);
      await pool.publish(id);
    }
  });

  it('of a stream of several frames, with a skippable one', async () => {
    await using held = await temporaryPool();
    const nar = await narOf(noise(100_000));
    const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]);
    const cut = [0, 10, 50_000, nar.length];
    const frames = [0, 1, 2].map((at) => zstdCompressSync(nar.subarray(cut[at], cut[at + 1])));
    const file = Buffer.concat([skippable, ...frames, skippable]);
    assert.equal(accepted(await send(held.pool, declarationOf(nar, file), file)).finished, true);
  });

  it('has content hashes as fixed outputs want them', async () => {
    await using held = await temporaryPool();
    const hex = (algo: string, bytes: Uint8Array) => createHash(algo).update(bytes).digest('hex');
    const contents = noise(150_000);
    const single = await narOf(contents);
    const folder = await narOf({ a: contents });
    for (const packed of [false, true]) {
      for (const nar of [single, folder]) {
        const file = packed ? zstdCompressSync(nar) : nar;
        const { id } = accepted(await send(held.pool, declarationOf(nar, file), file));
        const flat = nar === single;
        assert.equal((await held.pool.finished(id, 'sender'))?.flatSha256, flat ? hex('sha256', contents) : undefined);
        for (const algo of ['md5', 'sha1', 'sha256', 'sha512']) {
          assert.equal(await held.pool.contentHash(id, algo), flat ? hex(algo, contents) : undefined);
          assert.equal(await held.pool.contentHash(id, `r:${algo}`), hex(algo, nar));
        }
        assert.equal(await held.pool.contentHash(id, 'git:sha1'), undefined);
        await held.pool.publish(id);
        assert.equal(await held.pool.contentHash(id, 'r:sha512'), hex('sha512', nar));
      }
    }
    assert.equal(await held.pool.contentHash('x', 'sha256'), undefined);
    const empty = await narOf('');
    const { id } = accepted(await send(held.pool, declarationOf(empty), empty));
    assert.equal(await held.pool.contentHash(id, 'sha256'), hex('sha256', Buffer.alloc(0)));
  });

  it('is its owner’s', async () => {
    await using held = await temporaryPool();
    const nar = await narOf('hello');
    const { id } = accepted(await held.pool.begin('alice', declarationOf(nar)));
    assert.equal(await held.pool.status(id, 'bob'), undefined);
    assert.equal(refusal(await held.pool.write(id, 'bob', 0, chunksOf(nar))).code, 'not-your-upload');
    assert.equal(refusal(await held.pool.write('x', 'alice', 0, chunksOf(nar))).code, 'unknown-upload');
    assert.notEqual(accepted(await held.pool.begin('bob', declarationOf(nar))).id, id);
  });

  it('is found again by the same declaration, however often and whenever it is begun', async () => {
    await using held = await temporaryPool();
    const nar = await narOf('hello');
    const begin = () => held.pool.begin('sender', declarationOf(nar));
    const ids = new Set((await Promise.all([begin(), begin(), begin()])).map((outcome) => accepted(outcome).id));
    assert.equal(ids.size, 1);
    const { id } = accepted(await send(held.pool, declarationOf(nar), nar));
    assert.deepEqual(accepted(await begin()), {
      id,
      owner: 'sender',
      path: declarationOf(nar).path,
      offset: nar.length,
      fileSize: nar.length,
      finished: true,
    });
    // Otherwise a check of references could be had without its candidates.
    assert.notEqual(accepted(await held.pool.begin('sender', declarationOf(nar), [part])).id, id);
  });

  it('takes one writer at a time', async () => {
    await using held = await temporaryPool();
    const nar = await narOf(noise(10_000));
    const { id } = accepted(await held.pool.begin('sender', declarationOf(nar)));
    const gate = Promise.withResolvers<void>();
    async function* slow() {
      yield nar.subarray(0, 5_000);
      await gate.promise;
      yield nar.subarray(5_000);
    }
    const first = held.pool.write(id, 'sender', 0, slow());
    assert.equal(refusal(await held.pool.write(id, 'sender', 0, chunksOf(nar))).code, 'upload-busy');
    gate.resolve();
    assert.equal(accepted(await first).finished, true);
    assert.equal(accepted(await held.pool.write(id, 'sender', nar.length, chunksOf(Buffer.alloc(0)))).finished, true);
  });

  it('takes another where the one before has gone silent, and keeps what had come', async () => {
    const { clock, timers, advance } = createManualRuntime();
    await using held = await temporaryPool({ clock, timers });
    const nar = await narOf(noise(10_000));
    const { id } = accepted(await held.pool.begin('sender', declarationOf(nar)));
    const silent = Promise.withResolvers<void>();
    // A connection that nobody closed: nothing comes any more, and no end.
    async function* dead() {
      yield nar.subarray(0, 4_000);
      silent.resolve();
      await new Promise(() => undefined);
    }
    const first = held.pool.write(id, 'sender', 0, dead());
    await silent.promise;
    assert.equal(refusal(await held.pool.write(id, 'sender', 0, chunksOf(nar))).code, 'upload-busy');
    advance(silentWriterMs);
    // Two at the same time, as from a sender who is impatient: the first takes over, and none writes where the other does.
    const next = await Promise.all(
      [0, 4_000].map((at) => held.pool.write(id, 'sender', at, chunksOf(nar.subarray(at)))),
    );
    const [early, good] = next as [Outcome, Outcome];
    assert.deepEqual([refusal(early).code, refusal(early).offset], ['wrong-offset', 4_000]);
    assert.equal(accepted(good).finished, true);
    assert.equal(accepted(await first).offset, 4_000);
  });

  it('whose sender is gone goes on behind what had come, also while that is being made safe', async () => {
    await using held = await temporaryPool();
    const nar = await narOf(noise(10_000));
    const declaration = declarationOf(nar);
    const { id } = accepted(await held.pool.begin('sender', declaration));
    const gone = Promise.withResolvers<void>();
    async function* cut() {
      yield nar.subarray(0, 4_000);
      setImmediate(gone.resolve);
      throw new Error('the connection broke');
    }
    const first = held.pool.write(id, 'sender', 0, cut());
    await gone.promise;
    const [begun, status, next] = await Promise.all([
      held.pool.begin('sender', declaration),
      held.pool.status(id, 'sender'),
      held.pool.write(id, 'sender', 0, chunksOf(nar)),
    ]);
    assert.deepEqual([accepted(begun).offset, status?.offset], [4_000, 4_000]);
    assert.deepEqual([refusal(next).code, refusal(next).offset], ['wrong-offset', 4_000]);
    assert.equal(accepted(await first).offset, 4_000);
  });

  it('that is refused while its sender is back is begun anew for him', async () => {
    await using held = await temporaryPool();
    const nar = await narOf(noise(10_000));
    const other = Buffer.from(nar).fill('x', 5_000, 5_010);
    const declaration = declarationOf(nar);
    const { id } = accepted(await held.pool.begin('sender', declaration));
    const sent = Promise.withResolvers<void>();
    async function* wrong() {
      yield other;
      setImmediate(sent.resolve);
    }
    const first = held.pool.write(id, 'sender', 0, wrong());
    await sent.promise;
    const [begun, status] = await Promise.all([held.pool.begin('sender', declaration), held.pool.status(id, 'sender')]);
    assert.equal(refusal(await first).code, 'wrong-nar-hash');
    assert.equal(accepted(begun).offset, 0);
    assert.ok(status === undefined || status.offset === 0);
    assert.equal(accepted(await held.pool.write(id, 'sender', 0, chunksOf(nar))).finished, true);
  });

  it('says where it goes on', async () => {
    await using held = await temporaryPool();
    const nar = await narOf(noise(10_000));
    const { id } = accepted(await held.pool.begin('sender', declarationOf(nar)));
    assert.equal(accepted(await held.pool.write(id, 'sender', 0, chunksOf(nar.subarray(0, 4_000)))).offset, 4_000);
    for (const offset of [0, 3_999, 4_001]) {
      const refused = refusal(await held.pool.write(id, 'sender', offset, chunksOf(nar)));
      assert.deepEqual([refused.code, refused.offset], ['wrong-offset', 4_000]);
    }
    assert.equal((await held.pool.status(id, 'sender'))?.offset, 4_000);
  });

  it('can be abandoned while it is written to', async () => {
    await using held = await temporaryPool();
    const nar = await narOf(noise(10_000));
    const { id } = accepted(await held.pool.begin('sender', declarationOf(nar)));
    const reading = Promise.withResolvers<void>();
    async function* hanging() {
      yield nar.subarray(0, 5_000);
      reading.resolve();
      await new Promise(() => undefined);
    }
    const write = held.pool.write(id, 'sender', 0, hanging());
    await reading.promise;
    await held.pool.abandon(id);
    assert.equal(refusal(await write).code, 'unknown-upload');
    assert.deepEqual(await filesIn(held.dir), []);
    await held.pool.abandon(id);
  });

  it('is refused while it comes in, though its source hangs', async () => {
    await using held = await temporaryPool();
    const bad = noise(1_500_000);
    async function* hanging() {
      yield bad;
      await new Promise(() => undefined);
    }
    const { id } = accepted(await held.pool.begin('sender', declarationOf(bad, bad, { narSize: 2e6, fileSize: 2e6 })));
    assert.equal(refusal(await held.pool.write(id, 'sender', 0, hanging())).code, 'malformed-nar');
  });

  it('ends as a cut when the pool is closed, and goes on in the next one', async () => {
    await using folder = await temporaryFolder();
    const nar = await narOf(noise(10_000));
    const reading = Promise.withResolvers<void>();
    async function* hanging() {
      yield nar.subarray(0, 5_000);
      reading.resolve();
      await new Promise(() => undefined);
    }
    const pool = await openPool(folder.path);
    const { id } = accepted(await pool.begin('sender', declarationOf(nar)));
    const write = pool.write(id, 'sender', 0, hanging());
    await reading.promise;
    await pool[Symbol.asyncDispose]();
    assert.equal(accepted(await write).offset, 5_000);
    await using next = await openPool(folder.path);
    assert.equal(accepted(await next.write(id, 'sender', 5_000, chunksOf(nar.subarray(5_000)))).finished, true);
  });
});

describe('a restart', () => {
  it('keeps finished uploads, published or not', async () => {
    await using folder = await temporaryFolder();
    const nar = await narOf(noise(10_000));
    const file = { hash: sha256Of(nar), size: nar.length, compression: 'none' as const };
    const first = await openPool(folder.path);
    const { id } = accepted(await send(first, declarationOf(nar), nar));
    const finished = await first.finished(id, 'sender');
    await first[Symbol.asyncDispose]();

    const second = await openPool(folder.path);
    assert.deepEqual(await second.finished(id, 'sender'), finished);
    await second.publish(id);
    await second[Symbol.asyncDispose]();

    // Killed between publishing and the event: the sweep takes it back, and it can be published again.
    const third = await openPool(folder.path);
    assert.deepEqual(await third.finished(id, 'sender'), finished);
    assert.deepEqual(await third.sweep(() => false), { files: 0, bytes: 0, uploads: 0 });
    assert.equal(await third.has(file), false);
    await third.publish(id);
    assert.deepEqual(await contentsOf(await third.open(file)), nar);
    await third[Symbol.asyncDispose]();

    await using fourth = await openPool(folder.path);
    await fourth.sweep((hash) => hash === file.hash);
    await fourth.publish(id);
    assert.equal(await fourth.has(file), true);
  });

  it('gives nobody what was finished before and damaged since: it has to come again', async () => {
    await using folder = await temporaryFolder();
    const nar = await narOf(noise(10_000));
    const first = await openPool(folder.path);
    const { id } = accepted(await send(first, declarationOf(nar), nar));
    await first.publish(id);
    await first[Symbol.asyncDispose]();
    const hex = sha256Of(nar).slice('sha256:'.length);
    await writeFile(join(folder.path, 'nar', hex.slice(0, 2), `${hex}.nar`), Buffer.alloc(nar.length, 1));

    // Killed when it was durable that the item is missing, and before its file was removed: the sweep takes that back.
    await using second = await openPool(folder.path);
    await second.sweep(() => false);
    assert.equal(await second.finished(id, 'sender'), undefined);
    const again = accepted(await second.begin('sender', declarationOf(nar)));
    assert.deepEqual([again.finished, again.offset], [false, 0]);
    accepted(await second.write(id, 'sender', 0, chunksOf(nar)));
    assert.ok(await second.finished(id, 'sender'));
  });

  it('verifies what was all there before', async () => {
    await using folder = await temporaryFolder();
    const nar = await narOf(noise(10_000));
    for (const damaged of [false, true]) {
      const first = await openPool(folder.path);
      const { id } = accepted(await first.begin('sender', declarationOf(nar)));
      accepted(await first.write(id, 'sender', 0, chunksOf(nar.subarray(0, 100))));
      await first[Symbol.asyncDispose]();
      await writeFile(join(folder.path, 'uploads', id, 'part'), damaged ? Buffer.alloc(nar.length, 1) : nar);
      await using second = await openPool(folder.path);
      const outcome = await second.begin('sender', declarationOf(nar));
      if (damaged) assert.equal(refusal(outcome).code, 'malformed-nar');
      else assert.equal(accepted(outcome).finished, true);
      await second.abandon(id);
    }
  });

  it('does not trip over what a crash left', async () => {
    await using folder = await temporaryFolder();
    const nar = await narOf(noise(10_000));
    const first = await openPool(folder.path);
    const { id } = accepted(await first.begin('sender', declarationOf(nar)));
    accepted(await first.write(id, 'sender', 0, chunksOf(nar.subarray(0, 100))));
    await first[Symbol.asyncDispose]();
    await truncate(join(folder.path, 'uploads', id, 'declaration.json'), 10);
    await using second = await openPool(folder.path);
    assert.equal(await second.status(id, 'sender'), undefined);
    assert.deepEqual(await second.sweep(() => true), { files: 0, bytes: 0, uploads: 1 });
    assert.deepEqual(await filesIn(folder.path), []);
    assert.equal(accepted(await send(second, declarationOf(nar), nar)).finished, true);
  });
});

describe('the sweep', () => {
  it('keeps what is awaited, at the start and later, however old it is', async () => {
    const runtime = createManualRuntime();
    const { clock, timers } = runtime;
    await using folder = await temporaryFolder();
    const nars = { awaited: await narOf('awaited'), other: await narOf('other') };
    const first = await openPool(folder.path, { clock, timers });
    const declared = (nar: Buffer, name: string) => ({ ...declarationOf(nar), path: `${'0'.repeat(32)}-${name}` });
    const ids: string[] = [];
    for (const [name, nar] of Object.entries(nars)) ids.push(accepted(await send(first, declared(nar, name), nar)).id);
    const [awaited, other] = ids as [string, string];
    await first[Symbol.asyncDispose]();
    runtime.advance(61_000);

    await using second = await openPool(folder.path, { clock, timers });
    let wanted = true;
    const isAwaited = (path: string) => wanted && path.endsWith('-awaited');
    assert.equal((await second.sweep(() => true, isAwaited)).uploads, 1);
    assert.equal(await second.finished(other, 'sender'), undefined);
    runtime.advance(200_000);
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(await second.finished(awaited, 'sender'), 'while its build is not finished');
    wanted = false;
    while (await second.finished(awaited, 'sender')) {
      runtime.advance(61_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
  });

  it('removes files that nobody knows and uploads that are too old', async () => {
    await using folder = await temporaryFolder();
    const nars = await Promise.all(['known', 'orphan', 'begun', 'young'].map((text) => narOf(text)));
    const [known, orphan, begun, young] = nars as [Buffer, Buffer, Buffer, Buffer];
    let now = 1_000;
    const clock = { now: () => now, monotonic: () => now };
    const first = await openPool(folder.path, { clock });
    for (const nar of [known, orphan]) await first.publish(accepted(await send(first, declarationOf(nar), nar)).id);
    const old = accepted(await first.begin('sender', declarationOf(begun)));
    now += 50_000;
    const kept = accepted(await first.begin('sender', declarationOf(young)));
    await first[Symbol.asyncDispose]();
    now += 20_000;
    await using second = await openPool(folder.path, { clock });
    // Its record would let it be published again; without it, it is an orphan.
    await second.abandon(accepted(await second.begin('sender', declarationOf(orphan))).id);
    const swept = await second.sweep((hash) => hash === sha256Of(known));
    assert.deepEqual(swept, { files: 1, bytes: orphan.length, uploads: 1 });
    assert.equal(await second.status(old.id, 'sender'), undefined);
    assert.ok(await second.status(kept.id, 'sender'));
    assert.equal(await second.has({ hash: sha256Of(known), size: known.length, compression: 'none' }), true);
  });
});

it('a published file replaces a damaged one of the same name', async () => {
  await using held = await temporaryPool();
  const nar = await narOf(noise(10_000));
  const file = { hash: sha256Of(nar), size: nar.length, compression: 'none' as const };
  const first = accepted(await send(held.pool, declarationOf(nar), nar));
  await held.pool.publish(first.id);
  const [path = ''] = (await filesIn(held.dir)).filter((name) => name.startsWith('nar/'));
  await truncate(join(held.dir, path), 100);
  assert.equal(await held.pool.has(file), false);
  const again = accepted(await send(held.pool, declarationOf(nar, nar, { path: `${part}-other` }), nar));
  await held.pool.publish(again.id);
  assert.deepEqual(await readFile(join(held.dir, path)), nar);
  assert.equal((await stat(join(held.dir, path))).mode & 0o777, 0o600);
});

it('a cut source is no refusal', async () => {
  await using held = await temporaryPool();
  const nar = await narOf(noise(100_000));
  const { id } = accepted(await held.pool.begin('sender', declarationOf(nar)));
  const status = accepted(await held.pool.write(id, 'sender', 0, cutAfter(nar.subarray(0, 70_000))));
  assert.deepEqual([status.offset, status.finished], [70_000, false]);
  const rest = await held.pool.write(id, 'sender', 70_000, cutAfter(nar.subarray(70_000)));
  assert.equal(accepted(rest).finished, true);
});
