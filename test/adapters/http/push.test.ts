import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { compressorFor } from '../../../adapters/nar/compress.ts';
import { decompress } from '../../../adapters/nar/decompress.ts';
import { openStagedNars } from '../../../adapters/pool/filesystem/staged-nars.ts';
import type { Application } from '../../../coordinator/application.ts';
import { DroverError } from '../../../coordinator/errors.ts';
import type { UploadDeclaration } from '../../../coordinator/ports/pool.ts';
import { openTestCoordinator } from '../../support/coordinator.ts';
import { createFakePool } from '../../support/fake-pool.ts';
import { createManualRuntime } from '../../support/manual-runtime.ts';
import { temporaryFolder } from '../../support/nix-tools.ts';
import { poolFileOf } from '../../support/pool-file.ts';
import { narOf, sha256Of } from '../pool/nars.ts';
import { temporaryPool } from '../pool/pools.ts';
import { fakeViews, harness, hashA, itemA } from './harness.ts';

const nar = Buffer.from('not a NAR, which is for the pool to find out '.repeat(20));
const fileHash = '1'.repeat(52);
const narinfo = (more: Record<string, string> = {}): string =>
  Object.entries({
    StorePath: `/nix/store/${hashA}-hello`,
    URL: `nar/${fileHash}.nar`,
    Compression: 'none',
    NarHash: itemA.narHash,
    NarSize: `${nar.length}`,
    References: `${'b'.repeat(32)}-b ${'a'.repeat(32)}-a`,
    Deriver: `${'c'.repeat(32)}-hello.drv`,
    Sig: 'somebody:c2lnbmF0dXJl',
    ...more,
  })
    .map(([key, value]) => `${key}: ${value}\n`)
    .join('');

/** A server that keeps what is sent, and an application that takes uploads. */
async function pushing({
  ownerBytes = 10_000,
  refuse = undefined as DroverError | undefined,
  application = undefined as Partial<Application> | undefined,
} = {}) {
  const folder = await temporaryFolder();
  const runtime = createManualRuntime();
  const limits = { maxNarSize: 5000, ownerBytes, ownerFiles: 10, maxAgeMs: 60_000 };
  const onError = (error: unknown) => assert.fail(String(error));
  const stagedNars = await openStagedNars({ dir: folder.path, ...limits, ...runtime, onError });
  const uploads: { declaration: UploadDeclaration; bytes: Buffer }[] = [];
  const state = { id: 'u', owner: '', path: '', offset: 0, fileSize: 1 };
  const server = await harness({
    stagedNars,
    application: application ?? {
      async beginUpload(_, declaration) {
        if (refuse !== undefined) throw refuse;
        uploads.push({ declaration, bytes: Buffer.alloc(0) });
        return { ...state, finished: false };
      },
      async writeUpload(_by, _id, offset, body) {
        assert.equal(offset, 0);
        (uploads.at(-1) as { bytes: Buffer }).bytes = await buffer(body);
        return { ...state, finished: true };
      },
    },
  });
  const put = (url: string, payload: Buffer | string, scope: 'push' | 'admin' | 'submit' = 'push') =>
    server.ask(scope, { method: 'PUT', url, payload, headers: { 'content-type': 'application/octet-stream' } });
  return {
    server,
    runtime,
    uploads,
    put,
    kept: async () => (await readdir(folder.path, { recursive: true })).filter((name) => name.includes('nar')),
    head: async (scope: 'push' | 'admin' | undefined, url: string) =>
      (await server.ask(scope, { method: 'HEAD', url })).statusCode,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      stagedNars[Symbol.dispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

describe('a push by Nix', () => {
  it('is a NAR that nobody but its sender knows of, and a narinfo that has it verified', async () => {
    await using farm = await pushing();
    const url = `/nar/${fileHash}.nar`;
    assert.equal((await farm.put(url, nar)).statusCode, 204);
    const seen = [await farm.head('push', url), await farm.head('admin', url), await farm.head(undefined, url)];
    assert.deepEqual(seen, [200, 404, 404]);
    assert.equal((await farm.server.ask('push', { url })).statusCode, 404);
    const answer = await farm.put(`/${hashA}.narinfo`, narinfo());
    assert.equal(answer.statusCode, 204, answer.body);
    const [{ declaration, bytes } = assert.fail()] = farm.uploads;
    assert.deepEqual(declaration, {
      path: itemA.path,
      narHash: itemA.narHash,
      narSize: nar.length,
      references: [`${'a'.repeat(32)}-a`, `${'b'.repeat(32)}-b`],
      compression: 'none',
      fileSize: nar.length,
      deriver: `${'c'.repeat(32)}-hello.drv`,
      push: {},
    });
    assert.ok(bytes.equals(nar));
    assert.deepEqual(await farm.kept(), []);
  });

  it('may be compressed otherwise than the pool does, and is found under its name afterwards', async () => {
    await using farm = await pushing();
    const xz = await buffer(compressorFor('xz')?.(Readable.from([nar])) ?? assert.fail());
    const url = `nar/${sha256Of(xz).slice('sha256:'.length)}.nar.xz`;
    await farm.put(`/${url}`, xz);
    await farm.put(`/${hashA}.narinfo`, narinfo({ URL: url, Compression: 'xz', CA: 'fixed:r:sha256:x' }));
    const [{ declaration, bytes } = assert.fail()] = farm.uploads;
    assert.deepEqual(
      [declaration.compression, declaration.fileSize, declaration.push],
      ['zstd', bytes.length, { ca: 'fixed:r:sha256:x', sentAs: url }],
    );
    assert.ok(zstdDecompressSync(bytes).equals(nar));
    assert.deepEqual(await farm.kept(), []);
    // Under the hash of other bytes it would be in the way of those.
    const squatted = `nar/${fileHash}.nar.xz`;
    await farm.put(`/${squatted}`, xz);
    await farm.put(`/${hashA}.narinfo`, narinfo({ URL: squatted, Compression: 'xz' }));
    assert.deepEqual(farm.uploads.at(-1)?.declaration.push, {});

    const pool = {
      open: async () => poolFileOf(nar),
    };
    const file = { ...itemA.file, size: nar.length, compression: 'none' } as const;
    const views = fakeViews({ itemsAt: (at) => (at === url ? [itemA.path] : []), item: () => ({ ...itemA, file }) });
    await using later = await harness({
      pool: { ...pool, open: async (name) => (name.hash === file.hash ? pool.open() : undefined) },
      views,
    });
    const again = await later.ask(undefined, { url: `/${url}` });
    assert.ok((await buffer(decompress('xz', Readable.from([again.rawPayload])))).equals(nar));
    assert.equal((await later.ask(undefined, { method: 'HEAD', url: `/${url}` })).statusCode, 200);
    assert.equal((await later.ask(undefined, { url: `/nar/${'2'.repeat(52)}.nar.xz` })).statusCode, 404);
  });

  it('is refused with what is wrong, and what is of no use any more is given back', async () => {
    await using farm = await pushing();
    const url = `/nar/${fileHash}.nar`;
    const refused = async (more: Record<string, string>, at = hashA) =>
      (await farm.put(`/${at}.narinfo`, narinfo(more))).json().code;
    assert.equal(await refused({}), 'nar-missing');
    await farm.put(url, nar);
    assert.equal(await refused({ URL: `../nar/${fileHash}.nar` }), 'nar-missing');
    assert.equal(await refused({ StorePath: `/gnu/store/${hashA}-hello` }), 'wrong-store-dir');
    assert.equal(await refused({}, '0'.repeat(32)), 'malformed-narinfo');
    assert.equal(await refused({ NarSize: 'many' }), 'malformed-narinfo');
    assert.equal((await farm.kept()).length, 1);
    for (const [compression, words] of [
      ['xz', /expected a file in xz/],
      ['lzop', /expected none, zstd, .* got lzop/],
    ] as const) {
      await farm.put(url, nar);
      const answer = (await farm.put(`/${hashA}.narinfo`, narinfo({ Compression: compression }))).json();
      assert.equal(answer.code, 'wrong-compression');
      assert.match(answer.detail, words);
      assert.deepEqual(await farm.kept(), []);
    }
    // No more is decompressed than a NAR may have, and nothing that wants much memory.
    await farm.put(url, gzipSync(nar));
    assert.equal(await refused({ Compression: 'gzip', NarSize: '5001' }), 'too-large');
    const wide = execFileSync('xz', ['--lzma2=preset=0,dict=1GiB', '--stdout'], { input: nar });
    await farm.put(url, wide);
    assert.equal(await refused({ Compression: 'xz' }), 'wrong-compression');
    await farm.put(url, gzipSync(nar));
    assert.equal(await refused({ Compression: 'gzip', NarSize: '10' }), 'wrong-nar-size');
    assert.deepEqual([await farm.kept(), farm.uploads], [[], []]);
    assert.equal((await farm.put(`/nar/${fileHash}.exe`, nar)).json().code, 'invalid-request');
    assert.equal((await farm.put(url, nar, 'submit')).json().code, 'scope-insufficient');
    assert.equal((await farm.put(url, Buffer.alloc(200_000))).json().code, 'too-large');
    assert.equal((await farm.put(`/realisations/sha256:00!out.doi`, '{}')).json().code, 'unsupported-kind');
    // Nobody looks at them, so nothing is decompressed.
    const along = zstdCompressSync(Buffer.alloc(1_000_000)).subarray(0, 40);
    for (const name of [`/${hashA}.ls`, '/debuginfo/ab.debug'])
      for (const payload of ['{}', along]) {
        const headers = { 'content-type': 'application/json', 'content-encoding': 'zstd' };
        assert.equal((await farm.server.ask('push', { method: 'PUT', url: name, payload, headers })).statusCode, 204);
      }
    assert.deepEqual(await farm.kept(), []);
  });

  it('is refused by what is in its NAR: one that is well-formed and another than the narinfo says is seen by nobody', async () => {
    await using pool = await temporaryPool();
    const drover = await openTestCoordinator([], { pool: { ...createFakePool(), ...pool.pool } });
    const { beginUpload, writeUpload } = drover.application;
    await using farm = await pushing({ application: { beginUpload, writeUpload } });
    const [right, wrong] = [await narOf('hello'), await narOf('hullo')];
    assert.equal(right.length, wrong.length);
    const url = `/nar/${fileHash}.nar`;
    const info = narinfo({ NarHash: sha256Of(right), NarSize: `${right.length}`, References: '' });
    const push = async (nar: Buffer) => {
      assert.equal((await farm.put(url, nar)).statusCode, 204);
      return farm.put(`/${hashA}.narinfo`, info);
    };
    const published = async (nar: Buffer) =>
      (await pool.pool.open({ hash: sha256Of(nar), compression: 'none' })) !== undefined;
    const refused = await push(wrong);
    assert.deepEqual([refused.statusCode, refused.json().code], [422, 'wrong-nar-hash'], refused.body);
    assert.match(refused.json().detail, new RegExp(`expected ${sha256Of(right)} as declared, got ${sha256Of(wrong)}`));
    assert.deepEqual([await farm.kept(), await published(wrong)], [[], false]);
    assert.equal(drover.application.servable(hashA), undefined);
    // The right one is taken afterwards.
    assert.equal((await push(right)).statusCode, 204);
    assert.ok(drover.application.servable(hashA));
    assert.deepEqual([await published(right), await published(wrong)], [true, false]);
    drover.dispose();
  });

  it('keeps its NAR where only something else is lacking, as long as somebody may come back', async () => {
    const refuse = new DroverError('references-missing', 'refers to what is not there');
    await using farm = await pushing({ ownerBytes: 1000, refuse });
    const url = `/nar/${fileHash}.nar`;
    await farm.put(url, nar);
    assert.equal((await farm.put(`/${hashA}.narinfo`, narinfo())).json().code, 'references-missing');
    assert.equal(await farm.head('push', url), 200);
    const another = await farm.put(`/nar/${'2'.repeat(52)}.nar`, nar);
    assert.equal(another.json().code, 'too-many-uploads');
    farm.runtime.advance(60_000);
    while ((await farm.kept()).length > 0);
    assert.equal(await farm.head('push', url), 404);
    assert.equal((await farm.put(`/nar/${'2'.repeat(52)}.nar`, nar)).statusCode, 204);
  });

  it('that is cut leaves nothing, and a start keeps only what is whole', async () => {
    await using folder = await temporaryFolder();
    const runtime = createManualRuntime();
    const options = {
      dir: folder.path,
      maxNarSize: 5000,
      ownerBytes: 10_000,
      ownerFiles: 2,
      maxAgeMs: 60_000,
      ...runtime,
    };
    const open = () => openStagedNars({ ...options, onError: (error) => assert.fail(String(error)) });
    const staged = await open();
    const whole = `${fileHash}.nar`;
    await staged.put('t', whole, Readable.from([nar]), nar.length);
    const name = `${'2'.repeat(52)}.nar`;
    async function* cut() {
      yield nar;
      throw new Error('cut');
    }
    // Often, as it may be cut before there is a file.
    for (let time = 0; time < 100; time++) await assert.rejects(staged.put('t', name, cut(), 5000), /cut/);
    await assert.rejects(staged.put('t', name, Readable.from([nar]), 5000), /expected 5000 bytes, got/);
    assert.deepEqual(await readdir(join(folder.path, 't')), [whole]);
    // What it had taken is given back: there is room for all that there may be.
    await staged.put('t', name, Readable.from([Buffer.alloc(5000)]), 5000);
    await staged.put('t', whole, Readable.from([nar]), nar.length);
    await assert.rejects(
      staged.put('t', `${'3'.repeat(52)}.nar`, Readable.from([]), 0),
      /expected at most 2 NARs of one token/,
    );
    await staged.put('other', name, Readable.from([]), 0);
    staged[Symbol.dispose]();
    const again = await open();
    assert.deepEqual([await again.size('t', whole), await again.size('t', name)], [nar.length, 5000]);
    again[Symbol.dispose]();
  });
});
