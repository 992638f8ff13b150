import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { constants, zstdCompressSync } from 'node:zlib';
import type { UploadDeclaration } from '../../../coordinator/ports/pool.ts';
import {
  maxOutputs,
  mostUploadMemoryBytes,
  referenceBytes,
  scanBytes,
  uploadMemoryBytes,
  zstdWindowLogMax,
} from '../../../domain/limits.ts';
import { createManualRuntime } from '../../support/manual-runtime.ts';
import { declarationOf, hashPartOf, narOf, noise } from './nars.ts';
import { accepted, openHanded, openPool, refusal, send, temporaryPool } from './pools.ts';

const MiB = 1024 * 1024;

/** A body whose first bytes come at once, and the rest when it is told to end. */
function slowly(first: Uint8Array) {
  const end = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  async function* body(): AsyncGenerator<Uint8Array> {
    yield first;
    begun.resolve();
    await end.promise;
  }
  return { body: body(), begun: begun.promise, end: end.resolve };
}

/** Declarations of the same NAR under different names. */
async function numbered(size: number): Promise<{ file: Buffer; declaration(n: number): UploadDeclaration }> {
  const nar = await narOf(noise(size));
  const file = zstdCompressSync(nar);
  return { file, declaration: (n) => declarationOf(nar, file, { path: `${hashPartOf(`${n}`)}-item` }) };
}

describe('memory for uploads', () => {
  it('has room for what it is said to have room for, per owner and in all', async () => {
    const { file, declaration } = await numbered(100_000);
    const each = uploadMemoryBytes('zstd', declaration(0).narSize);
    await using held = await temporaryPool({ memory: { total: 3 * each, perOwner: 2 * each } });
    const start = async (owner: string, n: number) => {
      const { id } = accepted(await held.pool.begin(owner, declaration(n)));
      const slow = slowly(file.subarray(0, 1000));
      const outcome = held.pool.write(id, owner, 0, slow.body);
      return { id, outcome, ...slow };
    };
    const running = [await start('a', 1), await start('a', 2)];
    await Promise.all(running.map(({ begun }) => begun));
    const third = await start('a', 3);
    const { code, message } = refusal(await third.outcome);
    assert.equal(code, 'too-many-uploads');
    assert.match(message, /of one token .*limits\.token-upload-memory-bytes/);
    running.push(await start('b', 4));
    const fourth = await start('c', 5);
    assert.match(refusal(await fourth.outcome).message, /of all .*limits\.upload-memory-bytes/);
    for (const { end } of running) end();
    for (const { outcome } of running) assert.equal(accepted(await outcome).offset, 1000);

    // Those at rest give way: what was refused goes on, and so do they.
    for (const { id, owner } of [
      { id: third.id, owner: 'a' },
      { id: fourth.id, owner: 'c' },
    ])
      assert.ok(accepted(await held.pool.write(id, owner, 0, once(file))).finished);
    for (const [index, { id }] of running.entries()) {
      const owner = index === 2 ? 'b' : 'a';
      assert.ok(accepted(await held.pool.write(id, owner, 1000, once(file.subarray(1000)))).finished);
    }
  });

  it('is never less than the largest upload needs', () => {
    assert.equal(uploadMemoryBytes('zstd', 1e12), mostUploadMemoryBytes);
    assert.ok(uploadMemoryBytes('none', 1e12) < mostUploadMemoryBytes);
  });

  it('is not held by windows beyond what compressors use', async () => {
    const nar = await narOf(Buffer.alloc(20 * MiB, 'abcdefgh'));
    const packed = (windowLog: number) =>
      zstdCompressSync(nar, {
        params: { [constants.ZSTD_c_windowLog]: windowLog, [constants.ZSTD_c_contentSizeFlag]: 0 },
      });
    await using held = await temporaryPool();
    const tooWide = packed(zstdWindowLogMax + 1);
    assert.equal(refusal(await send(held.pool, declarationOf(nar, tooWide), tooWide)).code, 'wrong-compression');
    const widest = packed(zstdWindowLogMax);
    assert.ok(accepted(await send(held.pool, declarationOf(nar, widest), widest)).finished);
  });
});

describe('uploads of one owner', () => {
  it('are bounded in number; one that was begun is found again, and one that is used makes room', async () => {
    const { file, declaration } = await numbered(1000);
    await using held = await temporaryPool({ perOwner: { ...openHanded, count: 2 } });
    const { id } = accepted(await held.pool.begin('a', declaration(1)));
    accepted(await held.pool.begin('a', declaration(2)));
    const { code, message } = refusal(await held.pool.begin('a', declaration(3)));
    assert.equal(code, 'too-many-uploads');
    assert.match(message, /at most 2 uploads .*limits\.token-uploads/);
    assert.equal(accepted(await held.pool.begin('a', declaration(1))).id, id);
    accepted(await held.pool.begin('b', declaration(3)));
    accepted(await held.pool.write(id, 'a', 0, once(file)));
    await held.pool.publish(id);
    accepted(await held.pool.begin('a', declaration(3)));
  });

  it('are removed when nobody has gone on with them for long, whatever the clock of the wall says', async () => {
    const runtime = createManualRuntime();
    const { file, declaration } = await numbered(1000);
    await using held = await temporaryPool({ maxUploadAgeMs: 60_000, clock: runtime.clock, timers: runtime.timers });
    const left = accepted(await held.pool.begin('a', declaration(1))).id;
    runtime.advance(40_000);
    const tended = accepted(await held.pool.begin('a', declaration(2))).id;
    const gone = async (id: string) => {
      while ((await held.pool.status(id, 'a')) !== undefined) await new Promise(setImmediate);
    };
    runtime.advance(30_000);
    await gone(left);
    assert.deepEqual(await readdir(join(held.dir, 'uploads')), [tended]);
    accepted(await held.pool.write(tended, 'a', 0, once(file.subarray(0, 500))));
    // The timer that was set for it finds it tended, and is set anew.
    while (runtime.armed === 0) await new Promise(setImmediate);
    runtime.advance(30_000);
    while (runtime.armed === 0) await new Promise(setImmediate);
    assert.equal((await held.pool.status(tended, 'a'))?.offset, 500);
    runtime.advance(60_000);
    await gone(tended);
    assert.equal(runtime.armed, 0);
  });
});

describe('uploads of one attempt', () => {
  const limits = { count: 2, fileBytes: 1e9, declarationBytes: 1e9 };

  it('all find room, however many of others wait: two attempts cannot wait for each other', async () => {
    const { file, declaration } = await numbered(1000);
    let now = 1_000_000;
    const clock = { now: () => now++, monotonic: () => now };
    await using held = await temporaryPool({ perOwner: limits, clock });
    const begin = (n: number, attempt: string) => held.pool.begin('agent', declaration(n), [], attempt);
    const first = [accepted(await begin(1, 'x#1'))];
    accepted(await begin(11, 'y#1'));
    for (const n of [2, 3]) first.push(accepted(await begin(n, 'x#1')));
    const { code, message } = refusal(await begin(12, 'y#1'));
    assert.equal(code, 'too-many-uploads');
    assert.match(message, /at most 2 uploads .*limits\.token-uploads/);

    // The same after a start. What is used makes room, and the next attempt is the first.
    await held.pool[Symbol.asyncDispose]();
    await using again = await openPool(held.dir, { perOwner: limits, clock });
    assert.equal(refusal(await again.begin('agent', declaration(12), [], 'y#1')).code, 'too-many-uploads');
    for (const { id } of first) {
      accepted(await again.write(id, 'agent', 0, once(file)));
      await again.publish(id);
    }
    for (const n of [12, 13]) accepted(await again.begin('agent', declaration(n), [], 'y#1'));
  });

  it('are not more than an attempt has outputs, also when all are begun at once', async () => {
    const { declaration } = await numbered(1000);
    await using held = await temporaryPool({ perOwner: limits });
    const all = await Promise.all(
      Array.from({ length: maxOutputs + 20 }, (_, n) => held.pool.begin('agent', declaration(n), [], 'x#1')),
    );
    assert.equal(all.filter((one) => 'refused' in one).length, 20);
  });

  it('of a build that has ended make room', async () => {
    const { declaration } = await numbered(1000);
    await using held = await temporaryPool({ perOwner: limits });
    const ended = accepted(await held.pool.begin('agent', declaration(1), [], 'x#1'));
    const source = accepted(await held.pool.begin('agent', declaration(2)));
    await held.pool.sweep(
      () => true,
      (path) => path !== declaration(1).path,
    );
    accepted(await held.pool.begin('agent', declaration(3), [], 'y#1'));
    accepted(await held.pool.begin('agent', declaration(4), [], 'y#1'));
    assert.equal(refusal(await held.pool.begin('agent', declaration(5), [], 'z#1')).code, 'too-many-uploads');
    assert.equal(await held.pool.status(ended.id, 'agent'), undefined);
    assert.equal((await held.pool.status(source.id, 'agent'))?.offset, 0, 'what nobody is known to wait for stays');
  });

  it('share in memory what is looked for in all of them', async () => {
    const { declaration } = await numbered(1000);
    const scan = () => Array.from({ length: 100 }, (_, n) => hashPartOf(`${n}`));
    const perOwner = { ...limits, count: 1000, declarationBytes: scanBytes(scan()) };
    await using held = await temporaryPool({ perOwner });
    for (let n = 0; n < 20; n++) accepted(await held.pool.begin('agent', declaration(n), scan(), 'x#1'));
    await held.pool[Symbol.asyncDispose]();
    await using again = await openPool(held.dir, { perOwner });
    accepted(await again.begin('agent', declaration(20), scan(), 'x#1'));
  });
});

describe('disk for uploads of one owner', () => {
  it('is bounded; what fits beside nothing is refused for good', async () => {
    const { declaration } = await numbered(1000);
    const { fileSize } = declaration(0);
    await using held = await temporaryPool({ perOwner: { ...openHanded, fileBytes: 2 * fileSize } });
    const { id } = accepted(await held.pool.begin('a', declaration(1)));
    accepted(await held.pool.begin('a', declaration(2)));
    const { code, message } = refusal(await held.pool.begin('a', declaration(3)));
    assert.equal(code, 'too-many-uploads');
    assert.match(message, new RegExp(`at most ${2 * fileSize} bytes \\(setting limits\\.token-upload-bytes\\), got`));
    accepted(await held.pool.begin('b', declaration(3)));
    await held.pool.abandon(id);
    accepted(await held.pool.begin('a', declaration(3)));

    for (const n of [1, 2]) accepted(await held.pool.begin('agent', declaration(n), [], 'x#1'));
    assert.equal(refusal(await held.pool.begin('agent', declaration(3), [], 'x#1')).code, 'too-large');
    const { narSize } = declaration(0);
    const huge = { ...declaration(4), narSize: 10 * narSize, fileSize: 3 * fileSize };
    assert.equal(refusal(await held.pool.begin('c', huge)).code, 'too-large');
  });
});

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

describe('memory for declarations', () => {
  const references = Array.from({ length: 100 }, (_, n) => `${hashPartOf(`${n}`)}-input`);
  it('is bounded per owner, as each lies in memory until it is used, and again after a start', async () => {
    const { declaration } = await numbered(1000);
    const wordy = (n: number): UploadDeclaration => ({ ...declaration(n), references });
    const each = referenceBytes(references);
    const options = { perOwner: { ...openHanded, declarationBytes: 2 * each } };
    await using held = await temporaryPool(options);
    const [first] = [accepted(await held.pool.begin('a', wordy(1))), accepted(await held.pool.begin('a', wordy(2)))];
    const { code, message } = refusal(await held.pool.begin('a', wordy(3)));
    assert.equal(code, 'too-many-uploads');
    assert.match(
      message,
      new RegExp(`at most ${2 * each} bytes of references and inputs, got ${3 * each} with this one`),
    );
    assert.equal(accepted(await held.pool.begin('a', wordy(1))).id, first?.id, 'what was begun is found');
    accepted(await held.pool.begin('b', wordy(3)));

    await held.pool[Symbol.asyncDispose]();
    const again = await openPool(held.dir, options);
    assert.equal(refusal(await again.begin('a', wordy(3))).code, 'too-many-uploads');
    await again.abandon(first?.id as string);
    accepted(await again.begin('a', wordy(3)));
    await again[Symbol.asyncDispose]();
  });

  it('counts what is looked for in the bytes, and lets in one alone however large it is', async () => {
    const { declaration } = await numbered(1000);
    const scan = references.map((base) => base.slice(0, 32));
    await using held = await temporaryPool({ perOwner: { ...openHanded, declarationBytes: 1000 } });
    accepted(await held.pool.begin('a', declaration(1), scan));
    assert.equal(refusal(await held.pool.begin('a', declaration(2), scan)).code, 'too-many-uploads');
  });

  it('of those that are published is given back, oldest first', async () => {
    const { file, declaration } = await numbered(1000);
    const wordy = (n: number): UploadDeclaration => ({ ...declaration(n), references });
    await using held = await temporaryPool({
      perOwner: { ...openHanded, declarationBytes: referenceBytes(references) },
    });
    const published: string[] = [];
    for (const n of [1, 2, 3]) {
      const { id } = accepted(await send(held.pool, wordy(n), file));
      await held.pool.publish(id);
      published.push(id);
    }
    assert.deepEqual(await readdir(join(held.dir, 'uploads')), [published.at(-1)]);
  });
});
