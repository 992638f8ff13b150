import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { makeSourcePath, makeTextPath } from '../../domain/store/store-path.ts';
import { declarationOf, narOf, narStrings } from '../adapters/pool/nars.ts';
import { e2e } from '../support/e2e/e2e-test.ts';
import { expectRefused, expectUnchanged } from '../support/e2e/expect-refused.ts';
import type { Answer, Farm } from '../support/e2e/farm.ts';

const storeDir = '/nix/store';

/** One farm for all, as most of the time of a test is the start of its processes. */
e2e('derivations, uploads and tokens that are not what they say', {}, async (farm) => {
  await derivations(farm);
  await uploads(farm);
  await tokens(farm);
});

async function derivations(farm: Farm): Promise<void> {
  const [small, needsSmall, wanted] = (await farm.instantiate('small', 'needsSmallElsewhere', 'wanted')) as [
    string,
    string,
    string,
  ];
  const text = (path: string) => readFileSync(join(farm.evaluated, path));
  const post = (path: string, bytes: Uint8Array) =>
    farm.request('POST', '/v1/derivations', {
      raw: `${JSON.stringify({ path: basename(path), text: Buffer.from(bytes).toString('base64') })}\n`,
      headers: { 'content-type': 'application/x-ndjson' },
    });
  /** The path at which a text would be a true derivation. */
  const pathOf = (bytes: Uint8Array, name: string) =>
    makeTextPath(`${name}.drv`, createHash('sha256').update(bytes).digest(), [], storeDir);
  const good = text(small);
  const replaced = (from: string, to: string) => Buffer.from(good.toString('latin1').replaceAll(from, to), 'latin1');

  const truncated = good.subarray(0, good.length / 2);
  await expectRefused(farm, 'truncated', 'malformed-derivation', /expected/, () => post(small, truncated));
  await expectRefused(farm, 'truncated, under its own path', 'malformed-derivation', /expected/, () =>
    post(pathOf(truncated, 'small'), truncated),
  );
  await expectRefused(farm, 'no ATerm', 'malformed-derivation', /expected/, () =>
    post(small, Buffer.from('{"outputs": {}}')),
  );
  await expectRefused(farm, 'bytes after it', 'malformed-derivation', /expected/, () =>
    post(small, Buffer.concat([good, Buffer.from('x')])),
  );
  await expectRefused(
    farm,
    'altered text',
    'wrong-derivation-path',
    /expected .*small\.drv.*got|got .*small\.drv/,
    () => post(small, replaced('echo small', 'echo large')),
  );
  const [output] = /[0-9a-z]{32}-small(?=")/.exec(good.toString('latin1')) as RegExpExecArray;
  const altered = replaced(output as string, `${'0'.repeat(32)}-small`);
  await expectRefused(farm, 'altered output path', 'wrong-output-path', new RegExp(output as string), () =>
    post(pathOf(altered, 'small'), altered),
  );
  await expectRefused(farm, 'input not sent', 'input-missing', /-small\.drv/, () => post(needsSmall, text(needsSmall)));
  const floating = replaced(`"${storeDir}/${output}","",""`, '"","r:sha256",""');
  await expectRefused(farm, 'floating', 'unsupported-kind', /expected|floating|content-addressed/, () =>
    post(pathOf(floating, 'small'), floating),
  );
  await expectRefused(farm, 'no JSON', 'invalid-request', /line 1/, () =>
    farm.request('POST', '/v1/derivations', {
      raw: 'path = small\n',
      headers: { 'content-type': 'application/x-ndjson' },
    }),
  );
  await expectRefused(farm, 'not sent at all', 'unknown-derivation', /-wanted\.drv/, () =>
    farm.request('POST', '/v1/submissions', { body: { roots: [basename(wanted)] } }),
  );
  await expectRefused(farm, 'a field that there is not', 'invalid-request', /priorty/, () =>
    farm.request('POST', '/v1/submissions', { body: { roots: [basename(small)], options: { priorty: 3 } } }),
  );

  // And with the command line.
  const folder = join(farm.folder, 'broken');
  await mkdir(folder);
  await writeFile(join(folder, basename(small)), truncated);
  const before = await farm.position();
  const { code, said } = await farm.drover(['submit', '--derivations', folder, basename(small)]);
  assert.equal(code, 1);
  assert.match(said, /malformed-derivation/);
  assert.doesNotMatch(said, /unexpected error/);
  await expectUnchanged(farm, 'drover submit', before);

  // What is right is still taken.
  assert.equal((await post(small, good)).status, 200);
}

/** Those that are not what was declared. */
async function uploads(farm: Farm): Promise<void> {
  const token = (await farm.request('POST', '/v1/tokens', { body: { name: 'ci', scope: 'submit' } })).body.secret;
  const file = ['(', 'type', 'regular', 'contents', 'x', ')'];
  const folder = (...names: string[]) =>
    narStrings(
      'nix-archive-1',
      '(',
      'type',
      'directory',
      ...names.flatMap((name) => ['entry', '(', 'name', name, 'node', ...file, ')']),
      ')',
    );

  /** The path of a source with these bytes as its NAR. */
  const sourcePath = (nar: Uint8Array, name = 'source') =>
    basename(makeSourcePath(name, createHash('sha256').update(nar).digest(), [], false, storeDir));
  async function upload(
    nar: Uint8Array,
    bytes: Uint8Array,
    changes: Partial<ReturnType<typeof declarationOf>> = {},
  ): Promise<Answer> {
    const declaration = declarationOf(nar, bytes, { path: sourcePath(nar), ...changes });
    const begun = await farm.request('POST', '/v1/uploads', { token, body: declaration });
    if (begun.status !== 201) return begun;
    return farm.request('PATCH', `/v1/uploads/${begun.body.id}`, {
      token,
      raw: bytes,
      headers: { 'content-type': 'application/octet-stream', 'upload-offset': '0' },
    });
  }
  const plain = await narOf('hello');
  const other = declarationOf(await narOf('hullo'));
  const malformed: [string, Buffer][] = [
    ['entries out of order', folder('b', 'a')],
    ['an entry twice', folder('a', 'a')],
    ['an entry ..', folder('..')],
    ['an entry with NUL', folder('a\0b')],
    ['bytes after the end', Buffer.concat([plain, Buffer.alloc(8)])],
    ['no NAR', Buffer.from('not a NAR, but long enough to be one')],
  ];
  for (const [what, nar] of malformed) {
    await expectRefused(farm, what, 'malformed-nar', /expected/, () => upload(nar, nar));
    await expectRefused(farm, `${what}, compressed`, 'malformed-nar', /expected/, () =>
      upload(nar, zstdCompressSync(nar)),
    );
  }
  await expectRefused(farm, 'hash', 'wrong-nar-hash', /expected .*got/, () =>
    upload(plain, plain, { narHash: other.narHash }),
  );
  await expectRefused(farm, 'size', 'wrong-nar-size', /expected .*got/, () =>
    upload(plain, zstdCompressSync(plain), { narSize: plain.length + 8 }),
  );
  const bomb = zstdCompressSync(await narOf({ a: Buffer.alloc(64 * 1024 * 1024) }));
  await expectRefused(farm, 'a bomb', 'wrong-nar-size', /expected/, () => upload(plain, bomb, { narSize: 100_000 }));
  await expectRefused(
    farm,
    'references, which are part of the path',
    'not-content-addressed',
    /content and references determine/,
    () => upload(plain, plain, { references: [`${'1'.repeat(32)}-x`] }),
  );
  await expectRefused(farm, 'compression', 'wrong-compression', /zstd/, () =>
    upload(plain, plain, { compression: 'zstd' }),
  );
  await expectRefused(farm, 'path', 'not-content-addressed', /not the path that its content/, () =>
    upload(plain, plain, { path: `${'1'.repeat(32)}-source` }),
  );
  await expectRefused(farm, 'a path that is none', 'invalid-request', /path/, () =>
    upload(plain, plain, { path: '../../etc/passwd' }),
  );

  // Cut off: the first half is kept, nothing is visible, and the rest may still come.
  const before = await farm.position();
  const begun = await farm.request('POST', '/v1/uploads', {
    token,
    body: declarationOf(plain, plain, { path: sourcePath(plain) }),
  });
  const send = (from: number, to: number, offset = from) =>
    farm.request('PATCH', `/v1/uploads/${begun.body.id}`, {
      token,
      raw: plain.subarray(from, to),
      headers: { 'content-type': 'application/octet-stream', 'upload-offset': `${offset}` },
    });
  assert.equal((await send(0, 40)).body.offset, 40);
  await expectUnchanged(farm, 'cut off', before);
  await expectRefused(farm, 'another offset', 'wrong-offset', /expected|offset/, () => send(48, plain.length));
  await expectRefused(farm, 'of somebody else', 'unknown-upload', /no upload/, () =>
    farm.request('GET', `/v1/uploads/${begun.body.id}`),
  );
  assert.equal((await farm.request('GET', `/${sourcePath(plain).slice(0, 32)}.narinfo`)).status, 404);
  assert.equal((await send(40, plain.length)).body.finished, true);
  assert.equal((await farm.next('StoreItemAdded')).data.path, sourcePath(plain));
  await expectRefused(farm, 'what is there already', 'item-exists', /is there already/, () => upload(plain, plain));
}

/** Those that are none, or not for that. */
async function tokens(farm: Farm): Promise<void> {
  const make = async (scope: string) =>
    (await farm.request('POST', '/v1/tokens', { body: { name: scope, scope } })).body;
  const [read, submit, revoked] = [await make('read'), await make('submit'), await make('admin')];
  assert.ok((await farm.request('DELETE', `/v1/tokens/${revoked.id}`)).status < 300);
  const agent = (await farm.request('POST', '/v1/agents', { body: { name: 'a' } })).body;
  const as = (token: string | null, method: string, path: string, body?: unknown) => () =>
    farm.request(method, path, { token, ...(body !== undefined && { body }) });
  const wish = { roots: [`${'1'.repeat(32)}-x.drv`] };

  await expectRefused(farm, 'none', 'token-missing', /./, as(null, 'GET', '/v1/builds'));
  await expectRefused(farm, 'wrong', 'token-unknown', /./, as('drover_wrong', 'GET', '/v1/builds'));
  await expectRefused(farm, 'revoked', 'token-unknown', /./, as(revoked.secret, 'GET', '/v1/builds'));
  await expectRefused(
    farm,
    'read submits',
    'scope-insufficient',
    /read/,
    as(read.secret, 'POST', '/v1/submissions', wish),
  );
  await expectRefused(
    farm,
    'submit makes tokens',
    'scope-insufficient',
    /submit/,
    as(submit.secret, 'POST', '/v1/tokens', { name: 'x', scope: 'admin' }),
  );
  await expectRefused(
    farm,
    'agent reads',
    'scope-insufficient',
    /agent/,
    as(agent.token ?? agent.secret, 'GET', '/v1/builds'),
  );
  await expectRefused(
    farm,
    'read opens a link',
    'scope-insufficient',
    /read/,
    as(read.secret, 'GET', '/v1/agent-link'),
  );
  assert.equal((await farm.request('GET', '/v1/builds', { token: read.secret })).status, 200);

  const said = await farm.drover(['builds', 'list'], { env: { DROVER_TOKEN: revoked.secret } });
  assert.equal(said.code, 1);
  assert.match(said.said, /\(token-unknown\)/);

  // A token is refused at once where its agent is removed; the agent leaves, and says why.
  const real = await farm.agent('b');
  assert.equal((await farm.drover(['agents', 'remove', 'b'])).code, 0);
  assert.equal((await real.process.exited).code, 77);
  assert.match(real.process.said(), /refuses this agent/);
}
