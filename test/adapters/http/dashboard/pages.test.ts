import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import type { GuixCache } from '../../../../adapters/http/cache/guix/narinfos.ts';
import { acceptedCodings, encodedFile } from '../../../../adapters/http/dashboard/encodings.ts';
import { readDashboard } from '../../../../adapters/http/dashboard/files.ts';
import { fakeDashboard, harness, sharedHarness } from '../harness.ts';
import { dashboardPaths } from './support.ts';

const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const guix = {
  publicKey: '(public-key)',
  point: new Uint8Array(32),
  host: 'farm',
  compressions: [],
  negativeTtlSeconds: 0,
  sign: () => Promise.reject(new Error('nothing is signed')),
} as unknown as GuixCache;

describe('pages of the dashboard', () => {
  const shared = sharedHarness();
  const ask = (url: string, headers: Record<string, string> = {}, method: 'GET' | 'HEAD' = 'GET') =>
    shared.server().ask(undefined, { url, method, headers });

  test('are one file for whoever comes, which no other page holds and in which nothing is from elsewhere', async () => {
    for (const path of dashboardPaths) {
      const url = `${path.replaceAll(/:\w+/g, 'a%3Cscript%3E%2Fb').replace('*', 'builds/b')}?state=failed&limit=x`;
      const answer = await ask(url);
      assert.equal(answer.statusCode, 200, url);
      assert.equal(answer.body, '<!doctype html><title>Drover</title>');
      const { headers } = answer;
      assert.deepEqual(
        [
          headers['content-type'],
          headers['content-security-policy'],
          headers['x-content-type-options'],
          headers['referrer-policy'],
          headers['cross-origin-opener-policy'],
          headers['cache-control'],
        ],
        ['text/html; charset=utf-8', policy, 'nosniff', 'same-origin', 'same-origin', 'no-cache'],
      );
      const head = await ask(url, {}, 'HEAD');
      assert.deepEqual([head.statusCode, head.body, head.headers.etag], [200, '', headers.etag]);
      assert.equal(head.headers['content-length'], headers['content-length']);
      const again = await ask(url, { 'if-none-match': String(headers.etag) });
      assert.deepEqual([again.statusCode, again.body, again.headers['content-security-policy']], [304, '', policy]);
    }
  });

  test('that there are not are shown to browsers, as not there, and told to all others', async () => {
    const accept = 'text/html,application/xhtml+xml,*/*;q=0.8';
    for (const url of ['/builds/b-1/log', '/nothing', '/tokens/t-1?a=b', '/at/1/nothing', '/at/1/builds/b-1/log']) {
      for (const method of ['GET', 'HEAD'] as const) {
        const { statusCode, headers, body } = await ask(url, { accept, 'if-none-match': '*' }, method);
        assert.deepEqual(
          [statusCode, headers['content-type'], headers['content-security-policy'], headers['cache-control']],
          [404, 'text/html; charset=utf-8', policy, 'no-store'],
          url,
        );
        assert.equal(body, method === 'HEAD' ? '' : '<!doctype html><title>Drover</title>');
        assert.equal(headers.etag, undefined);
      }
      if (url.startsWith('/at/')) continue;
      const { statusCode, headers } = await ask(url);
      assert.deepEqual([statusCode, headers['content-type']], [404, 'application/problem+json; charset=utf-8'], url);
    }
    for (const url of ['/v1/nothing', '/v1', '/assets/main-2.js'])
      assert.match(String((await ask(url, { accept })).headers['content-type']), /problem\+json/, url);
    const posted = await shared.server().ask(undefined, { url: '/nothing', method: 'POST', headers: { accept } });
    assert.match(String(posted.headers['content-type']), /problem\+json/);
  });

  test('name files that are kept for good, in the coding that the browser takes', async () => {
    const url = '/assets/main-1.js';
    const plain = await ask(url);
    assert.equal(plain.headers['content-type'], 'text/javascript; charset=utf-8');
    assert.equal(plain.headers['cache-control'], 'public, max-age=31536000, immutable');
    assert.deepEqual([plain.headers['content-encoding'], plain.headers.vary], [undefined, 'accept-encoding']);
    const zipped = await ask(url, { 'accept-encoding': 'gzip, deflate' });
    assert.equal(zipped.headers['content-encoding'], 'gzip');
    assert.equal(gunzipSync(zipped.rawPayload).toString(), plain.body);
    const brotli = await ask(url, { 'accept-encoding': 'br' });
    assert.equal(brotli.headers['content-encoding'], 'br');
    assert.equal(brotliDecompressSync(brotli.rawPayload).toString(), plain.body);
    assert.equal((await ask(url, { 'if-none-match': String(plain.headers.etag) })).statusCode, 304);
  });

  test('name no file of the machine, and none that is not there is kept', async () => {
    for (const name of [
      'main-2.js',
      '..%2Findex.html',
      '..%2f..%2fpackage.json',
      '%2Fetc%2Fpasswd',
      '__proto__',
      'main-1.js%00',
      'x'.repeat(400),
    ]) {
      const answer = await ask(`/assets/${name}`);
      assert.deepEqual([answer.statusCode, answer.headers['cache-control']], [404, 'no-store'], name);
      assert.match(String(answer.headers['content-type']), /problem\+json/);
    }
  });

  test('that were not made say how they are, and those that are not wanted are not there', async () => {
    await using bare = await harness({
      get dashboard() {
        return fakeDashboard(shared.server().runtime, { files: undefined, problem: 'why' });
      },
    });
    for (const url of ['/', '/builds/b-1']) {
      const answer = await bare.ask(undefined, { url });
      assert.deepEqual([answer.statusCode, answer.json().code], [404, 'dashboard-not-made']);
      assert.equal(answer.json().detail, 'why');
    }
    await using none = await harness({ dashboard: undefined });
    for (const url of ['/', '/builds', '/assets/main-1.js'])
      assert.equal((await none.ask(undefined, { url })).json().code, 'not-found');
    assert.equal((await none.ask(undefined, { url: '/v1/session', method: 'DELETE' })).statusCode, 404);
  });

  test('are for browsers where the cache is one for Guix, whose clients get what they got', async () => {
    for (const made of [true, false]) {
      await using server = await harness({
        guix,
        application: { storeDirs: ['/gnu/store'] },
        ...(!made && { dashboard: fakeDashboard(shared.server().runtime, { files: undefined }) }),
      });
      const get = (url: string, accept?: string) =>
        server.ask(undefined, { url, headers: accept === undefined ? {} : { accept } });
      const browser = await get('/', 'text/html,application/xhtml+xml,*/*;q=0.8');
      assert.match(browser.body, made ? /<title>Drover/ : /<title>Substitutes for Guix/);
      assert.match(String(browser.headers.vary), /accept(?!-)/);
      for (const accept of [undefined, '*/*']) {
        const page = await get('/', accept);
        assert.match(page.body, /guix archive --authorize/);
        assert.equal(page.headers['content-security-policy'], policy);
      }
      assert.match((await get('/index.html', 'text/html')).body, /guix archive --authorize/);
    }
  });
});

test('the folder of the dashboard is read once; where there is none there are no pages', async () => {
  await using folder = await temporaryFolder();
  const none = await readDashboard(folder.path);
  assert.ok(none.files === undefined && !none.isDamaged);
  assert.match(none.problem, /^the pages of the dashboard were not made when the coordinator was started: /);
  await mkdir(join(folder.path, 'assets'));
  await writeFile(join(folder.path, 'index.html'), '<!doctype html><script src="/assets/a-1.js"></script>');
  for (const name of ['a-1.js', 'a-1.css', 'a-1.js.map', 'a-1.svg', 'notes.txt', '.js'])
    await writeFile(join(folder.path, 'assets', name), name);
  const { files } = await readDashboard(folder.path);
  assert.equal(files?.page.type, 'text/html; charset=utf-8');
  const types = ['a-1.js', 'a-1.css', 'a-1.js.map', 'a-1.svg', 'notes.txt', '.js', '../index.html'].map(
    (name) => files?.asset(name)?.type,
  );
  assert.deepEqual(types, [
    'text/javascript; charset=utf-8',
    'text/css; charset=utf-8',
    'application/json; charset=utf-8',
    'image/svg+xml',
    undefined,
    undefined,
    undefined,
  ]);
  await writeFile(join(folder.path, 'assets', 'a-1.js'), 'another');
  const { bytes } = (await files?.asset('a-1.js')?.encoded(undefined)) ?? {};
  assert.equal(Buffer.from(bytes ?? []).toString(), 'a-1.js');
});

test('a dashboard that is damaged is as none, and says what of it is', async () => {
  await using folder = await temporaryFolder();
  const index = join(folder.path, 'index.html');
  const problem = async (): Promise<string | undefined> => {
    const read = await readDashboard(folder.path);
    if (read.files !== undefined) return undefined;
    assert.ok(read.isDamaged);
    return /\((.*?)\): remove dist\/web, and `npm run setup`/.exec(read.problem)?.[1];
  };
  await writeFile(index, '');
  assert.match((await problem()) ?? '', /ENOENT.*assets/);
  await mkdir(join(folder.path, 'assets'));
  assert.equal(await problem(), 'index.html names no script');
  const hash = createHash('sha256').update('whole').digest('base64');
  await writeFile(
    index,
    `<link href="/assets/i.svg"><script type="module" src="/assets/a.js" integrity="sha256-${hash}"></script>`,
  );
  await writeFile(join(folder.path, 'assets/i.svg'), '');
  assert.equal(await problem(), 'assets/a.js is not there');
  await writeFile(join(folder.path, 'assets/a.js'), 'who');
  assert.equal(await problem(), 'assets/a.js has other bytes than when it was made');
  await writeFile(join(folder.path, 'assets/a.js'), 'whole');
  assert.equal(await problem(), undefined);
  await rm(join(folder.path, 'assets/i.svg'));
  assert.equal(await problem(), 'assets/i.svg is not there');
});

test('the first who takes brotli has gzip if he takes that, too; what gets no smaller is sent as it is', async () => {
  const text = Buffer.from('drover '.repeat(1000));
  const file = encodedFile(text);
  assert.equal((await file.encoded('gzip, br')).coding, 'gzip');
  await file.made();
  assert.equal((await file.encoded('gzip, br')).coding, 'br');
  assert.deepEqual(await encodedFile(Buffer.from('x')).encoded('br, gzip'), { bytes: Buffer.from('x') });
  const large = encodedFile(Buffer.alloc(1024 * 1024 + 1));
  assert.equal((await large.encoded('br')).coding, undefined, 'a map for debuggers is not worth it');
});

test('codings are taken by their weights', () => {
  for (const [header, taken] of [
    [undefined, []],
    ['', []],
    ['identity', []],
    ['gzip, deflate, br, zstd', ['br', 'gzip']],
    ['br;q=0, gzip;q=0.5', ['gzip']],
    ['GZIP', ['gzip']],
    ['*', ['br', 'gzip']],
    ['*;q=0, br', ['br']],
    ['gzip;q=x', []],
  ] as const)
    assert.deepEqual([...acceptedCodings(header)], taken, header);
});

async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'drover-pages-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}
