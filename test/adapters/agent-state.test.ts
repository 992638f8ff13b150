import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { statfsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { openAttemptStore } from '../../adapters/agent-state/attempt-store.ts';
import { folderHolder, lockFolder } from '../../adapters/agent-state/folder-lock.ts';
import type { AttemptRecord } from '../../agent/attempt-record.ts';
import { formatHash } from '../../domain/store/hash-text.ts';
import { sha256 } from '../../domain/store/sha256.ts';
import { temporaryFolder } from '../support/agent-harness.ts';

describe("an agent's state folder", () => {
  test('does not do while its disk has room for a probe, and for no attempt', async (context) => {
    await using place = await temporaryFolder();
    const mount = ['-t', 'tmpfs', '-o', 'size=4m', 'drover-test', place.path];
    if (spawnSync('mount', mount).status !== 0)
      return context.skip('needs to mount a small tmpfs, which only root may do (and not in every container)');
    try {
      await using store = await openAttemptStore(join(place.path, 'state'), 3);
      await store.check();
      await writeFile(join(place.path, 'filler'), Buffer.alloc(4 * 1024 * 1024 - 64 * 1024));
      await assert.rejects(store.check(), /state: expected 65536 bytes of room, got \d+$/);
      await rm(join(place.path, 'filler'));
      await store.check();
    } finally {
      spawnSync('umount', ['--lazy', place.path]);
    }
  });

  test('that is full is taken over from an agent that was killed, with what is to be delivered from it', async (context) => {
    await using place = await temporaryFolder();
    const mount = ['-t', 'tmpfs', '-o', 'size=1m', 'drover-test', place.path];
    if (spawnSync('mount', mount).status !== 0)
      return context.skip('needs to mount a small tmpfs, which only root may do (and not in every container)');
    try {
      const state = join(place.path, 'state');
      {
        await using store = await openAttemptStore(state, 3);
        const record: AttemptRecord = {
          build: 'b-1',
          attempt: 1,
          derivation: `${'a'.repeat(32)}-a.drv`,
          phase: 'uploading',
        };
        await (await store.create(record)).close();
      }
      await writeFile(join(state, 'lock'), `4194305 ${'gone'.repeat(30)}\n`);
      const { bavail, bsize } = statfsSync(place.path);
      await writeFile(join(place.path, 'filler'), Buffer.alloc(bavail * bsize));
      await using store = await openAttemptStore(state, 3);
      assert.equal((await store.load()).attempts.length, 1);
      assert.equal(await folderHolder(state), process.pid);
      await assert.rejects(store.check(), /ENOSPC|bytes of room/);
      assert.deepEqual(
        (await readdir(state)).filter((name) => name.endsWith('.new')),
        [],
      );
    } finally {
      spawnSync('umount', ['--lazy', place.path]);
    }
  });

  test('whose lock an agent left that is gone is taken over, although its process id is in use again', async () => {
    await using place = await temporaryFolder();
    const lock = join(place.path, 'lock');
    await using held = await lockFolder(place.path);
    assert.equal(await held.isHeld(), true);
    const [, start] = (await readFile(lock, 'utf8')).trim().split(' ');
    assert.match(start ?? '', /^[0-9a-f-]{36}\/\d+$/, 'on Linux, which the tests run on');

    // One that runs: the parent of this process, which no agent is.
    await writeFile(lock, `${process.ppid} ${start}\n`);
    await using again = await lockFolder(place.path);
    assert.equal(await again.isHeld(), true);
  });

  test('that another process holds is refused, by an older version too, which did not say since when', async () => {
    await using place = await temporaryFolder();
    await writeFile(join(place.path, 'lock'), `${process.ppid}\n`);
    await assert.rejects(lockFolder(place.path), new RegExp(`no other agent uses, but process ${process.ppid} holds`));
  });

  test('whose lock was left behind is taken by one of those who ask for it at once', async () => {
    await using place = await temporaryFolder();
    for (let round = 0; round < 5; round++) {
      await writeFile(join(place.path, 'lock'), '4194305 gone\n');
      const asked = await Promise.allSettled(Array.from({ length: 5 }, () => lockFolder(place.path)));
      const got = asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
      assert.equal(got.length, 1, `round ${round}`);
      assert.equal(await got[0]?.isHeld(), true);
      await got[0]?.[Symbol.asyncDispose]();
    }
  });

  test('in which somebody put other things: they are put aside', async () => {
    await using place = await temporaryFolder();
    const attempts = join(place.path, 'attempts');
    await mkdir(join(attempts, 'folder', 'record.json'), { recursive: true });
    await writeFile(join(attempts, 'file'), 'notes');
    await using store = await openAttemptStore(place.path, 3);
    const files = await store.create({
      build: 'b',
      attempt: 1,
      derivation: `${'0'.repeat(32)}-b.drv`,
      phase: 'building',
    });
    await files.close();
    await rm(join(attempts, 'b@1', 'log'));
    await mkdir(join(attempts, 'b@1', 'log'));
    assert.deepEqual(await store.load(), { attempts: [], damaged: ['b@1', 'file', 'folder'] });
    assert.deepEqual((await readdir(join(place.path, 'damaged'))).sort(), ['b@1', 'file', 'folder']);
    assert.deepEqual(await readdir(attempts), []);
  });

  test('that a power cut has left with a record that is empty: there never was such an attempt', async () => {
    await using place = await temporaryFolder();
    await using store = await openAttemptStore(place.path, 3);
    const record = { attempt: 1, derivation: `${'0'.repeat(32)}-b.drv`, phase: 'building' } as const;
    for (const [build, text] of [
      ['empty', ''],
      ['zeros', '\0\0\0'],
      ['damaged', '{'],
    ] as const) {
      await (await store.create({ build, ...record })).close();
      await writeFile(join(place.path, 'attempts', `${build}@1`, 'record.json'), text);
    }
    assert.deepEqual(await store.load(), { attempts: [], damaged: ['damaged@1'] });
    assert.deepEqual(await readdir(join(place.path, 'attempts')), []);
  });

  test('in which a kill or a power cut has left the newest record half written: the one before it counts', async () => {
    await using place = await temporaryFolder();
    await using store = await openAttemptStore(place.path, 3);
    const record = { build: 'b', attempt: 1, derivation: `${'0'.repeat(32)}-b.drv`, phase: 'preparing' } as const;
    const path = join(place.path, 'attempts', 'b@1', 'record.json');
    const loaded = async () => {
      const { attempts, damaged } = await store.load();
      assert.deepEqual(damaged, []);
      for (const { files } of attempts) await files.close();
      return attempts.map((attempt) => attempt.record);
    };
    const files = await store.create(record);
    await files.save({ ...record, phase: 'building' });
    await files.close();
    assert.deepEqual(await loaded(), [{ ...record, phase: 'building' }]);
    const whole = await readFile(path);
    const start = whole.lastIndexOf('{');
    for (let length = start; length < whole.length - 1; length++) {
      await writeFile(path, whole.subarray(0, length));
      assert.deepEqual(await loaded(), [record], `${length} bytes`);
      await writeFile(path, Buffer.concat([whole.subarray(0, length), Buffer.alloc(whole.length - length)]));
      assert.deepEqual(await loaded(), [record], `${length} bytes and zeros`);
    }
    // What comes behind it is whole.
    await writeFile(path, whole.subarray(0, start + 5));
    const [again] = (await store.load()).attempts;
    assert.ok(again !== undefined);
    for (let time = 0; time < 100; time++) await again.files.save({ ...record, phase: 'building' });
    await again.files.close();
    assert.deepEqual(await loaded(), [{ ...record, phase: 'building' }]);
    assert.ok((await readFile(path)).length < 40 * whole.length);
    // As older versions wrote it.
    await writeFile(path, JSON.stringify({ ...record, phase: 'building' }));
    assert.deepEqual(await loaded(), [{ ...record, phase: 'building' }]);
  });

  test('whose attempt was removed says so as soon as something has to be kept', async () => {
    await using place = await temporaryFolder();
    await using store = await openAttemptStore(place.path, 3);
    const record = { build: 'b', attempt: 1, derivation: `${'0'.repeat(32)}-b.drv`, phase: 'building' } as const;
    const files = await store.create(record);
    await rm(join(place.path, 'attempts', 'b@1'), { recursive: true });
    await assert.rejects(files.save({ ...record, phase: 'ended', result: { type: 'canceled' } as never }), /is gone$/);
    await files.close();
  });

  test('in which a small output is not what was spooled: it is spooled again', async () => {
    await using place = await temporaryFolder();
    await using store = await openAttemptStore(place.path, 3);
    const files = await store.create({
      build: 'b',
      attempt: 1,
      derivation: `${'0'.repeat(32)}-b.drv`,
      phase: 'building',
    });
    const nar = Buffer.from('a NAR, for all that the spool knows');
    const narHash = formatHash({ algo: 'sha256', digest: sha256(nar) });
    const spool = () => files.spool('out', Readable.from([nar]), new AbortController().signal);
    const size = await spool();
    assert.equal(await files.spooled('out', narHash), size);
    const path = join(place.path, 'attempts', 'b@1', 'output-out.nar.zst');
    const whole = await readFile(path);
    for (const bytes of [Buffer.alloc(size), whole.subarray(0, -1), Buffer.alloc(0), zstdCompressSync('another')]) {
      await writeFile(path, bytes);
      assert.equal(await files.spooled('out', narHash), undefined, bytes.toString('hex'));
    }
    assert.equal(await files.spooled('other', narHash), undefined);
    assert.equal(await spool(), size);
    assert.equal(await files.spooled('out', narHash), size);
    await files.close();
  });
});
