import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fetchNar } from '../../../adapters/mirror/fetch-nar.ts';
import { openMirror } from '../../../adapters/mirror/mirror.ts';
import type { Http } from '../../../client/http.ts';
import type { NarInfo } from '../../../domain/store/narinfo.ts';
import { noMounting } from '../../support/e2e/mounting.ts';
import { declarationOf, narOf } from '../pool/nars.ts';
import { droverOf, itemOf } from './fake-drover.ts';

test('a NAR that the disk has no room for is not published cut, and comes whole once there is room', {
  skip: noMounting,
}, async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'drover-mirror-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder]);
  context.after(async () => {
    execFileSync('umount', [folder]);
    await rm(folder, { recursive: true });
  });
  const nar = await narOf(randomBytes(100_000));
  const { narHash, narSize } = declarationOf(nar, nar);
  const facts = { url: 'nar/x.nar', compression: 'none', fileHash: narHash, fileSize: narSize, narHash, narSize };
  // In one piece, so that the system takes a part of it and says nothing.
  const http: Http = {
    url: 'http://coordinator',
    request: async (_method, _path, { headers = {} } = {}) => {
      const from = Number(/^bytes=(\d+)-$/.exec((headers as Record<string, string>).range ?? '')?.[1] ?? 0);
      return new Response(new Uint8Array(nar.subarray(from)), { status: from > 0 ? 206 : 200 });
    },
  };
  const file = join(folder, 'x.nar');
  const fetch = () => fetchNar(http, facts as unknown as NarInfo, file, new AbortController().signal, () => {});
  await assert.rejects(fetch(), { code: 'ENOSPC', message: /x\.nar\.part: ENOSPC/ });
  assert.deepEqual(await readdir(folder), ['x.nar.part']);
  execFileSync('mount', ['-o', 'remount,size=1m', folder]);
  await fetch();
  assert.deepEqual(await readFile(file), nar);
});

test('a mirror names the folder that has no room, waits for some where it goes on, and ends where it runs once', {
  skip: noMounting,
}, async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'drover-mirror-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder]);
  context.after(async () => {
    execFileSync('umount', [folder]);
    await rm(folder, { recursive: true });
  });
  const item = itemOf(1, await narOf(randomBytes(100_000)));
  const { drover } = droverOf([item]);
  const abort = new AbortController();
  const troubles: string[] = [];
  const trouble = (message: string): void => {
    troubles.push(message);
    abort.abort();
  };
  const options = { drover, folder, wants: () => true, connections: 1, progress() {}, trouble };
  const expected = new RegExp(`there is no room for ${folder}: .*ENOSPC`);
  {
    using goesOn = await openMirror({ ...options, signal: abort.signal });
    await goesOn.run(false);
    assert.match(troubles.join(), expected);
  }
  using once = await openMirror({ ...options, signal: new AbortController().signal });
  await assert.rejects(once.run(true), expected);
  execFileSync('mount', ['-o', 'remount,size=1m', folder]);
  assert.deepEqual(await once.run(true), []);
  assert.deepEqual(await readFile(join(folder, item.info.url)), item.nar);
});
