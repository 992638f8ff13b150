import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, open, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { openFilesystemLogStore } from '../../../adapters/log-store/filesystem-log-store.ts';
import { compressInFrames, frameBytes, framesOf } from '../../../adapters/log-store/framed-log.ts';
import { readKeptLogs } from '../../../adapters/log-store/kept-logs.ts';
import type { LogStore } from '../../../coordinator/ports/log-store.ts';

const build = 'qx7k2m9q4abcdefg-12';

async function temporaryLogs() {
  const dir = await mkdtemp(join(tmpdir(), 'drover-test-'));
  const held = {
    dir,
    logs: await openFilesystemLogStore({ dir }),
    async reopen() {
      await held.logs[Symbol.asyncDispose]();
      held.logs = await openFilesystemLogStore({ dir });
    },
    async [Symbol.asyncDispose]() {
      await held.logs[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    },
  };
  return held;
}

async function textOf(logs: LogStore, offset = 0, attempt = 1): Promise<string | undefined> {
  const stream = await logs.read(build, attempt, { offset });
  return stream && collected(stream);
}

async function collected(stream: AsyncIterable<Uint8Array> | undefined): Promise<string | undefined> {
  if (stream === undefined) return undefined;
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts).toString();
}

describe('a log', () => {
  it('grows where it ends, and nowhere else', async () => {
    await using held = await temporaryLogs();
    assert.equal(await held.logs.size(build, 1), 0);
    assert.equal(await textOf(held.logs), undefined);
    assert.equal(await held.logs.append(build, 1, 5, Buffer.from('gap')), 0);
    assert.equal(await held.logs.append(build, 1, 0, Buffer.from('hello ')), 6);
    assert.equal(await held.logs.append(build, 1, 7, Buffer.from('gap')), 6);
    assert.equal(await held.logs.append(build, 1, 3, Buffer.from('XXXworld')), 11);
    assert.equal(await held.logs.append(build, 1, 0, Buffer.from('again')), 11);
    assert.equal(await held.logs.size(build, 1), 11);
    assert.equal(await textOf(held.logs), 'hello world');
    assert.equal(await textOf(held.logs, 6), 'world');
    assert.equal(await textOf(held.logs, 20), '');
    assert.equal(await held.logs.size(build, 2), 0);
  });

  it('is whole whatever overlaps, restarts and finishes there are', async () => {
    const step = fc.record({ back: fc.nat(30), length: fc.nat(200), reopen: fc.nat(4) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), fc.boolean(), fc.nat(400), async (steps, finish, from) => {
        await using held = await temporaryLogs();
        const whole = Buffer.from(Array.from({ length: 3_000 }, (_, index) => 32 + ((index * 7) % 90)));
        let size = 0;
        for (const { back, length, reopen } of steps) {
          const start = Math.max(0, size - back);
          size = Math.max(size, start + length);
          assert.equal(await held.logs.append(build, 1, start, whole.subarray(start, start + length)), size);
          if (reopen === 0) await held.reopen();
        }
        if (finish) await held.logs.finish(build, 1);
        assert.equal(await held.logs.size(build, 1), size);
        const expected = steps.length === 0 ? undefined : whole.subarray(0, size).subarray(from).toString();
        assert.equal(await textOf(held.logs, from), expected);
        await held.reopen();
        assert.equal(await held.logs.size(build, 1), size);
        assert.equal(await textOf(held.logs, from), expected);
      }),
      { numRuns: 40 },
    );
  });

  it('is compressed when it is finished, and takes no more', async () => {
    await using held = await temporaryLogs();
    await held.logs.append(build, 1, 0, Buffer.from('line\n'.repeat(10_000)));
    await Promise.all([held.logs.finish(build, 1), held.logs.finish(build, 1)]);
    await held.logs.finish(build, 2);
    assert.equal(await held.logs.append(build, 1, 50_000, Buffer.from('late')), 50_000);
    await held.reopen();
    assert.deepEqual(await readdir(join(held.dir, 'qx', build)), ['1.log.zst']);
    assert.equal(await held.logs.append(build, 1, 50_000, Buffer.from('late')), 50_000);
    assert.equal(await textOf(held.logs, 49_990), 'line\nline\n');
  });

  it('can be read from any place once it is compressed, as by older versions in one piece', async () => {
    await using held = await temporaryLogs();
    const whole = Array.from({ length: 150_000 }, (_, n) => `line ${n}\n`).join('');
    assert.ok(whole.length > 3 * frameBytes);
    await held.logs.append(build, 1, 0, Buffer.from(whole));
    await held.logs.finish(build, 1);
    await held.reopen();
    const folder = join(held.dir, 'qx', build);
    await writeFile(join(folder, '2.log.zst'), zstdCompressSync(whole));
    // As it is for whoever has no more than `zstdcat`.
    const { stdout, error } = spawnSync('zstdcat', [join(folder, '1.log.zst')], { maxBuffer: 10 * whole.length });
    if (error === undefined) assert.ok(stdout.equals(Buffer.from(whole)));
    for (const attempt of [1, 2]) {
      assert.equal(await held.logs.size(build, attempt), whole.length);
      assert.equal(await readKeptLogs(held.dir).size(build, attempt), whole.length);
      for (const from of [0, frameBytes - 1, frameBytes, 2 * frameBytes + 7, whole.length - 1, whole.length, 9e9])
        assert.ok((await textOf(held.logs, from, attempt)) === whole.slice(from), `attempt ${attempt} from ${from}`);
    }
    // A part that is not as it was written is no log.
    const file = await readFile(join(folder, '1.log.zst'));
    file.writeUInt8(file.readUInt8(20) ^ 1, 20);
    await writeFile(join(folder, '1.log.zst'), file);
    await assert.rejects(textOf(held.logs), { code: 'log-damaged', details: { at: 0 } });
    assert.equal(await textOf(held.logs, whole.length - 5), whole.slice(-5), 'the others are');
  });

  it('is in frames of one size, however little of its file is read at a time', async () => {
    const whole = Buffer.alloc(2 * frameBytes + 5, 'a line\n');
    async function* pieces() {
      for (let at = 0, size = 1; at < whole.length; at += size, size = 1 + ((size * 7919) % 300_000))
        yield whole.subarray(at, at + size);
    }
    await using held = await temporaryLogs();
    const path = join(held.dir, 'a.zst');
    await writeFile(path, compressInFrames(pieces()));
    await using file = await open(path);
    assert.deepEqual(
      (await framesOf(file))?.map(({ size }) => size),
      [frameBytes, frameBytes, 5],
    );
  });

  it('is what it was or is said to be damaged, whatever has become of its file', async () => {
    await using held = await temporaryLogs();
    const whole = Array.from({ length: 170_000 }, (_, n) => `line ${n}\n`).join('');
    await held.logs.append(build, 1, 0, Buffer.from(whole));
    await held.logs.finish(build, 1);
    await held.reopen();
    const path = join(held.dir, 'qx', build, '1.log.zst');
    const file = await readFile(path);
    const frames = file.readUInt32LE(file.length - 9);
    const table = file.length - 9 - 8 * frames;
    const end = table - 8;
    const last = file.readUInt32LE(table + 8 * (frames - 1));
    const places = [0, frameBytes + 3, whole.length - 5];
    const flipped = (at: number): Buffer => {
      const copy = Buffer.from(file);
      copy.writeUInt8(copy.readUInt8(at) ^ 4, at);
      return copy;
    };
    const damages: [string, Buffer, readonly number[]][] = [
      ['a table that says other sizes', flipped(table + 4), places],
      ['a table that says other lengths', flipped(table), places],
      ['no table', file.subarray(0, end), places],
      ['half a table', file.subarray(0, table + 8), places],
      ['neither the table nor the last frame', file.subarray(0, end - last), []],
      ['half of it', file.subarray(0, end >> 1), []],
      ['nothing', Buffer.alloc(0), []],
      ['zeros', Buffer.alloc(file.length), []],
    ];
    for (const [what, bytes, readable] of damages) {
      await writeFile(path, bytes);
      await held.reopen();
      for (const logs of [held.logs, readKeptLogs(held.dir) as LogStore]) {
        for (const from of places)
          if (readable.includes(from))
            assert.ok((await textOf(logs, from)) === whole.slice(from), `${what}, from ${from}`);
          else await assert.rejects(textOf(logs, from), { code: 'log-damaged' }, `${what}, from ${from}`);
        if (readable.length > 0) assert.equal(await logs.size(build, 1), whole.length, what);
        else await assert.rejects(logs.size(build, 1), { code: 'log-damaged' }, what);
      }
    }
  });

  it('is what is compressed where a crash has left it beside what grew', async () => {
    await using held = await temporaryLogs();
    await held.logs.append(build, 1, 0, Buffer.from('finished'));
    await held.logs.finish(build, 1);
    const folder = join(held.dir, 'qx', build);
    assert.deepEqual(await readdir(folder), ['1.log.zst']);
    await writeFile(join(folder, '1.log'), 'fini');
    await held.reopen();
    for (const logs of [held.logs, readKeptLogs(held.dir) as LogStore]) {
      assert.equal(await textOf(logs), 'finished');
      assert.equal(await logs.size(build, 1), 8);
    }
    await held.logs.finish(build, 1);
    assert.equal(await held.logs.append(build, 1, 4, Buffer.from('other')), 8);
    assert.equal(await textOf(held.logs), 'finished');
  });

  for (const bytes of [0, 8, 16 * 1024, 16 * 1024 + 1])
    it(`of ${bytes} bytes is finished where it cannot be compressed, as on a full disk, and is later`, async () => {
      await using held = await temporaryLogs();
      const whole = 'x'.repeat(bytes);
      await held.logs.append(build, 1, 0, Buffer.from(whole));
      const folder = join(held.dir, 'qx', build);
      const inTheWay = join(folder, '1.log.zst.tmp');
      await mkdir(inTheWay);
      const followed = collected(await held.logs.read(build, 1, { follow: true }));
      await held.logs.finish(build, 1);
      assert.equal(await followed, whole);
      assert.equal(await textOf(held.logs), whole);
      assert.equal(await held.logs.append(build, 1, bytes, Buffer.from('more')), bytes);
      await held.reopen();
      assert.equal(await textOf(held.logs), whole);
      await rm(inTheWay, { recursive: true });
      await held.reopen();
      assert.equal(await textOf(held.logs), whole);
      await held.reopen();
      assert.deepEqual(await readdir(folder), ['1.log.zst']);
      assert.equal(await textOf(held.logs), whole);
    });

  it('is compressed after a crash that came before', async () => {
    await using held = await temporaryLogs();
    await held.logs.append(build, 1, 0, Buffer.from('finished'));
    await held.logs[Symbol.asyncDispose]();
    const folder = join(held.dir, 'qx', build);
    await rename(join(folder, '1.log'), join(folder, '1.log.done'));
    await writeFile(join(folder, '1.log.zst.tmp'), 'half of it');
    held.logs = await openFilesystemLogStore({ dir: held.dir });
    assert.equal(await textOf(held.logs), 'finished');
    assert.equal(await held.logs.size(build, 1), 8);
    await held.reopen();
    assert.deepEqual(await readdir(folder), ['1.log.zst']);
    assert.equal(await textOf(held.logs), 'finished');
  });
});

describe('following a log', () => {
  it('that has lost its end while it grows says so', async () => {
    await using held = await temporaryLogs();
    await held.logs.append(build, 1, 0, Buffer.from('one two'));
    await truncate(join(held.dir, 'qx', build, '1.log'), 3);
    await assert.rejects(textOf(held.logs), { code: 'log-damaged', details: { at: 3 } });
  });

  it('gives what is there, what comes, and ends with the log', async () => {
    await using held = await temporaryLogs();
    await held.logs.append(build, 1, 0, Buffer.from('one '));
    const stream = (await held.logs.read(build, 1, { follow: true, offset: 1 }))?.[Symbol.asyncIterator]();
    const next = async () => {
      const result = await stream?.next();
      return result?.done ? 'end' : Buffer.from(result?.value as Uint8Array).toString();
    };
    assert.equal(await next(), 'ne ');
    const waiting = next();
    await held.logs.append(build, 1, 4, Buffer.from('two '));
    assert.equal(await waiting, 'two ');
    await held.logs.append(build, 1, 8, Buffer.from('three'));
    const [three] = await Promise.all([next(), held.logs.finish(build, 1)]);
    assert.equal(three, 'three');
    assert.equal(await next(), 'end');
  });

  it('ends when it is aborted, or the store is closed', async () => {
    await using held = await temporaryLogs();
    await held.logs.append(build, 1, 0, Buffer.from('one'));
    const abort = new AbortController();
    const follow = async (signal?: AbortSignal) => {
      let text = '';
      const stream = await held.logs.read(build, 1, { follow: true, ...(signal && { signal }) });
      for await (const part of stream ?? []) {
        text += Buffer.from(part).toString();
        if (signal) abort.abort();
      }
      return text;
    };
    assert.equal(await follow(abort.signal), 'one');
    assert.equal(await follow(abort.signal), '');
    const closed = follow();
    await held.logs.append(build, 1, 3, Buffer.from(' two'));
    await held.reopen();
    assert.match(await closed, /^one/);
  });

  it('costs nothing where it is finished', async () => {
    await using held = await temporaryLogs();
    await held.logs.append(build, 1, 0, Buffer.from('all'));
    await held.logs.finish(build, 1);
    let text = '';
    for await (const part of (await held.logs.read(build, 1, { follow: true })) ?? []) text += Buffer.from(part);
    assert.equal(text, 'all');
  });
});

it('what is no build or attempt is thrown out', async () => {
  await using held = await temporaryLogs();
  for (const bad of ['', '..', '../x', 'a/b', '.hidden', 'a\0', 'x'.repeat(65)]) {
    await assert.rejects(held.logs.append(bad, 1, 0, Buffer.from('x')), { name: 'TypeError' });
    await assert.rejects(held.logs.read(bad, 1), { name: 'TypeError' });
  }
  for (const bad of [-1, 1.5, Number.NaN]) await assert.rejects(held.logs.size(build, bad), { name: 'TypeError' });
  assert.deepEqual(await readdir(held.dir), []);
});
