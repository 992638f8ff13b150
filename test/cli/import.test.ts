import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { Client } from '../../cli/http/client.ts';
import { CliError } from '../../cli/output/cli-error.ts';
import { readNarinfos } from '../../cli/push/import-nars.ts';
import { sendItems } from '../../cli/push/send-items.ts';
import { fingerprint } from '../../domain/store/fingerprint.ts';
import { renderNarinfo } from '../../domain/store/narinfo.ts';
import { generateSigningKey, sign } from '../../domain/store/signature.ts';
import { temporaryFolder } from '../support/nix-tools.ts';
import { fakeBase, fakeSha256 } from '../support/paths.ts';
import { readShared, readSharedFolder, sharedAbsent } from '../support/shared-fixtures.ts';
import { fakeCoordinator } from './support/fake-coordinator.ts';
import { run } from './support/run-cli.ts';

const key = generateSigningKey('cache-1', Buffer.alloc(32, 1));
const other = generateSigningKey('other-1', Buffer.alloc(32, 2));
const nar = Buffer.from('the bytes of a NAR are for the coordinator to verify');
const [a, b, c, d] = [1, 2, 3, 4].map((n) => fakeBase('n', n)) as [string, string, string, string];

/** A folder as Nix makes it: b refers to a, d to c, and only somebody else has signed c. */
async function cache(dir: string): Promise<void> {
  await mkdir(join(dir, 'nar'));
  const items = [
    { path: a, references: [], signer: key, compression: 'zstd', file: zstdCompressSync(nar) },
    { path: b, references: [a, b], signer: key, compression: 'gzip', file: gzipSync(nar) },
    { path: c, references: [], signer: other, compression: 'none', file: nar },
    { path: d, references: [c], signer: key, compression: 'none', file: nar },
  ];
  for (const [n, { path, references, signer, compression, file }] of items.entries()) {
    const url = `nar/${n}.nar`;
    const said = { storePath: `/nix/store/${path}`, narHash: fakeSha256(n), narSize: nar.length, references };
    const signatures = [sign(signer.secret, fingerprint(said))];
    await writeFile(
      join(dir, `${path.slice(0, 32)}.narinfo`),
      renderNarinfo({ ...said, url, compression, signatures }),
    );
    await writeFile(join(dir, url), file);
  }
  await writeFile(join(dir, `${'z'.repeat(32)}.narinfo`), 'nonsense\n');
}

/** A narinfo that nobody has signed. */
function narinfoOf(base: string, references: readonly string[] = [], compression = 'none'): string {
  const said = { storePath: `/nix/store/${base}`, narHash: fakeSha256(1), narSize: nar.length, references };
  return renderNarinfo({ ...said, url: `nar/${base}`, compression, signatures: [] });
}

async function httpServer(answer: RequestListener) {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

it('import nars takes what a trusted key has signed, in order, and says what it does not take', async () => {
  await using folder = await temporaryFolder();
  await cache(folder.path);
  const there = new Set<string>();
  const bodies: Buffer[] = [];
  let declared: { path: string; fileSize: number; references: string[]; compression: string }[] = [];
  await using server = await fakeCoordinator({
    'GET /nix-cache-info': () => ({ text: 'StoreDir: /nix/store\n' }),
    'POST /v1/items/missing': ({ json }) => ({
      json: { missing: (json() as { items: string[] }).items.filter((item) => !there.has(item)) },
    }),
    'POST /v1/uploads': ({ json }) => {
      const declaration = json() as (typeof declared)[number];
      const lacking = declaration.references.find(
        (reference) => reference !== declaration.path && !there.has(reference),
      );
      if (lacking !== undefined)
        return { status: 409, json: { code: 'references-missing', detail: `refers to ${lacking}`, status: 409 } };
      declared.push(declaration);
      return {
        status: 201,
        json: { id: declaration.path, offset: 0, fileSize: declaration.fileSize, finished: false },
      };
    },
    'PATCH /v1/uploads/*': ({ path, body }) => {
      const item = path.slice('/v1/uploads/'.length);
      there.add(item);
      bodies.push(body);
      return { json: { id: item, offset: body.length, finished: true } };
    },
  });
  const take = (...more: string[]) =>
    run(['import', 'nars', '--from', folder.path, '--json', ...more, '--url', server.url, '--token', 't']);

  const first = await take('--trusted-key', key.public);
  assert.equal(first.code, 1, first.err);
  const { sent, present, refused } = JSON.parse(first.out);
  assert.deepEqual([sent, present], [[a, b], 0]);
  const codes = Object.fromEntries(refused.map(({ item, code }: { item: string; code: string }) => [item, code]));
  assert.deepEqual(codes, {
    [c.slice(0, 32)]: 'bad-signature',
    [d]: 'references-missing',
    ['z'.repeat(32)]: 'malformed-narinfo',
  });
  assert.match(first.err, /expected a signature by a key that is trusted, got other-1/);
  for (const body of bodies) assert.ok(zstdDecompressSync(body).equals(nar));

  declared = [];
  const second = await take('--trusted-key', key.public, '--trusted-key', other.public, `/nix/store/${d}`);
  assert.equal(second.code, 0, second.err);
  assert.deepEqual(JSON.parse(second.out), { sent: [c, d], present: 0, refused: [] });
  assert.deepEqual(
    declared.map(({ path }) => path),
    [c, d],
  );
  const third = await take('--no-check-sigs');
  assert.equal(JSON.parse(third.out).present, 4);

  const absent = await take('--no-check-sigs', `/nix/store/${fakeBase('n', 5)}`);
  assert.equal(absent.code, 1);
  assert.match(absent.err, /the cache has no narinfo of it \(narinfo-missing\)/);

  for (const [words, message] of [
    [['--from', folder.path], /expected --trusted-key, or --no-check-sigs/],
    [['--from', folder.path, '--trusted-key', 'x'], /--trusted-key: expected a public key/],
    [['--from', 'http://127.0.0.1:1', '--no-check-sigs'], /has no list/],
    [['--from', folder.path, '--no-check-sigs', 'hello'], /expected a store path, got hello/],
  ] as const) {
    const { code, err } = await run(['import', 'nars', ...words, '--url', server.url]);
    assert.equal(code, 2, err);
    assert.match(err, message);
  }

  // What a narinfo names is no way to other files of this machine; a pipe that nobody writes to is not waited for.
  const inside = join(folder.path, 'inside');
  await mkdir(inside);
  await writeFile(join(folder.path, 'secret'), nar);
  await symlink(join(folder.path, 'secret'), join(inside, 'link'));
  execFileSync('mkfifo', [join(inside, 'pipe'), join(inside, `${d.slice(0, 32)}.narinfo`)]);
  await mkdir(join(inside, 'nar'));
  const places = ['../secret', join(folder.path, 'secret'), 'link', 'pipe', 'nar', 'nar/../../secret'];
  const bases = places.map((_, n) => fakeBase('o', n));
  for (const [n, url] of places.entries()) {
    const said = { storePath: `/nix/store/${bases[n]}`, narHash: fakeSha256(n), narSize: nar.length, references: [] };
    const text = renderNarinfo({ ...said, url: 'nar/x', compression: 'none', signatures: [] });
    await writeFile(join(inside, `${bases[n]?.slice(0, 32)}.narinfo`), text.replace('nar/x', url));
  }
  await cp(join(folder.path, `${a.slice(0, 32)}.narinfo`), join(inside, `${a.slice(0, 32)}.narinfo`));
  await cp(join(folder.path, 'nar/0.nar'), join(inside, 'nar/0.nar'));
  there.clear();
  const taken = await run(['import', 'nars', '--from', inside, '--no-check-sigs', '--json', '--url', server.url]);
  const outcome = JSON.parse(taken.out);
  assert.deepEqual(outcome.sent, [a]);
  const messages = new Map(outcome.refused.map((one: { item: string; message: string }) => [one.item, one.message]));
  assert.equal(messages.size, places.length + 1);
  assert.match(messages.get(d.slice(0, 32)) as string, /expected a regular file/);
  for (const [n, url] of places.entries()) {
    const isOutside = url.includes('secret') || url === 'link';
    assert.match(messages.get(bases[n]) as string, isOutside ? /expected a file in / : /expected a regular file/, url);
  }
});

it('import nars reads no narinfo, NAR or closure of a cache over HTTP without an end', async () => {
  const endless = (response: ServerResponse, start: string): void => {
    response.write(start);
    const go = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(100_000, '#')));
    };
    response.on('drain', go);
    go();
  };
  await using cache = await httpServer((request, response) => {
    const url = request.url as string;
    const is = (base: string): boolean => url === `/${base.slice(0, 32)}.narinfo`;
    if (is(a)) return endless(response, narinfoOf(a));
    if (is(b)) return void response.end(narinfoOf(b));
    if (is(c)) return void response.end(narinfoOf(c, [], 'zstd'));
    if (is(d)) return void response.end(narinfoOf(d));
    if (url === `/nar/${d}`) return void response.end(nar);
    if (url.startsWith('/nar/')) return endless(response, '');
    response.writeHead(404).end();
  });
  const sent: string[] = [];
  await using server = await fakeCoordinator({
    'GET /nix-cache-info': () => ({ text: 'StoreDir: /nix/store\n' }),
    'POST /v1/items/missing': ({ json }) => ({ json: { missing: (json() as { items: string[] }).items } }),
    'POST /v1/uploads': ({ json }) => {
      const { path, fileSize } = json() as { path: string; fileSize: number };
      return { status: 201, json: { id: path, offset: 0, fileSize, finished: false } };
    },
    'PATCH /v1/uploads/*': ({ path, body }) => {
      sent.push(path.slice('/v1/uploads/'.length));
      return { json: { id: path, offset: body.length, finished: true } };
    },
  });
  const words = ['--from', cache.url, '--no-check-sigs', '--json', '--url', server.url, '--token', 't'];
  const { code, out, err } = await run(['import', 'nars', ...words, ...[a, b, c, d].map((one) => `/nix/store/${one}`)]);
  assert.equal(code, 1, err);
  const refused = JSON.parse(out).refused as { item: string; code: string; message: string }[];
  assert.deepEqual(
    refused.map((one) => [one.item, one.code]).sort(),
    [
      [a.slice(0, 32), 'malformed-narinfo'],
      [b, 'nar-too-large'],
      [c, 'nar-too-large'],
    ].sort(),
  );
  assert.deepEqual(sent, [d]);

  const on = (n: number): string => fakeBase('e', n);
  const source = {
    narinfo: async (hashPart: string) => {
      const n = Array.from({ length: 100 }, (_, one) => one).find((one) => on(one).startsWith(hashPart)) as number;
      return narinfoOf(on(n), [on(n + 1)]);
    },
    open: () => Promise.reject(new Error('nothing is fetched')),
  };
  const { signal } = new AbortController();
  for (const most of [
    { narinfos: 10, bytes: 1_000_000 },
    { narinfos: 1000, bytes: 2000 },
  ])
    await assert.rejects(
      readNarinfos(source, [on(0).slice(0, 32)], {
        ...{ storeDir: '/nix/store', isOther: false, keys: undefined, signal, onRead() {}, most },
      }),
      { code: 'closure-too-large' },
    );
});

it('what is imported is held in a file, in order of references, and sent as there is room', async () => {
  const base = (n: number): string => fakeBase('f', n);
  // Each refers to what is before it, to itself, and to one that no narinfo is of; two refer to each other.
  const references = (n: number): string[] =>
    [n, n - 1, n - 7, n - 1000, 9000 + n]
      .filter((one) => one >= 0)
      .concat(n === 2 ? [3] : [])
      .map(base);
  const count = 1300;
  const numberOf = new Map(Array.from({ length: count }, (_, n) => [base(n).slice(0, 32), n]));
  const source = {
    narinfo: async (hashPart: string) => {
      const n = numberOf.get(hashPart);
      return n === undefined ? undefined : narinfoOf(base(n), references(n));
    },
    open: () => Promise.reject(new Error('nothing is fetched')),
  };
  const { signal } = new AbortController();
  const wanted = [...numberOf.keys()].toReversed();
  const options = { storeDir: '/nix/store', isOther: false, keys: undefined, signal, onRead() {} };
  using read = await readNarinfos(source, wanted, options);
  const order = Array.from(read.order, read.name);
  assert.deepEqual([order.length, new Set(order).size, read.refused], [count, count, []]);
  const placeOf = new Map(order.map((name, place) => [name, place]));
  for (const [place, name] of order.entries()) {
    const n = numberOf.get(name.slice(0, 32)) as number;
    if (n === 2 || n === 3) continue;
    for (const reference of references(n))
      if (reference !== name) assert.ok((placeOf.get(reference) ?? -1) < place, `${name} before ${reference}`);
  }

  // One is refused, and with it all that refers to it; whatever waits, no more than a window of them is looked at.
  let [given, done, ahead] = [0, 0, 0];
  const item = (place: number) => {
    ahead = Math.max(ahead, ++given - done);
    const pack = () => Promise.reject(new CliError('nar-missing', 'not there'));
    return { ...read.item(place), pack };
  };
  const { sent, refused } = await sendItems({} as Client, read.order.values().map(item), {
    signal,
    onDone: (n) => {
      done = n;
    },
    onRefused() {},
    onTrouble() {},
  });
  assert.deepEqual([sent, refused.length, done], [[], count, count]);
  assert.deepEqual([...new Set(refused.map(({ code }) => code))], ['nar-missing', 'references-missing']);
  assert.ok(ahead <= 1001, `${ahead} ahead`);
  const failing = sendItems({} as Client, [read.item(read.order[0] as number)], {
    ...{ signal, onDone() {}, onRefused() {}, onTrouble() {} },
  });
  await assert.rejects(failing, /nothing is fetched/);
});

describe('import nars of Guix', { skip: sharedAbsent('guix/narinfo') }, () => {
  const cached = 'guix/narinfo/gzip+zstd+lzip-cached';

  /** The recorded answers of a real guix publish, as its cache keeps them. */
  async function publishCache(dir: string): Promise<string[]> {
    const bases: string[] = [];
    for (const { bytes } of await readSharedFolder('guix/narinfo/zstd', '.narinfo')) {
      const text = Buffer.from(bytes).toString();
      const base = /^StorePath: \/gnu\/store\/(\S+)$/m.exec(text)?.[1] as string;
      if (sharedAbsent(`guix/nar/zstd/${base}`)) continue;
      for (const folder of ['hashes', 'zstd', 'gzip']) await mkdir(join(dir, folder), { recursive: true });
      await writeFile(join(dir, 'hashes', base.slice(0, 32)), `/gnu/store/${base}`);
      await writeFile(join(dir, 'zstd', `${base}.narinfo`), text);
      await writeFile(join(dir, 'zstd', `${base}.nar`), await readShared(`guix/nar/zstd/${base}`));
      bases.push(base);
    }
    return bases.sort();
  }

  const acl = fileURLToPath(new URL('../../../shared/fixtures/guix/keys/acl', import.meta.url));

  function pool(sent: { path: string; push: unknown; narSize: number }[], bodies: Buffer[]) {
    return fakeCoordinator({
      'GET /nix-cache-info': () => ({ text: 'StoreDir: /nix/store\n' }),
      'POST /v1/items/missing': ({ json }) => ({ json: { missing: json<{ items: string[] }>().items } }),
      'POST /v1/uploads': ({ json }) => {
        const declaration = json<{ path: string; push: unknown; narSize: number; fileSize: number }>();
        sent.push(declaration);
        return { status: 201, json: { id: 'u', offset: 0, fileSize: declaration.fileSize, finished: false } };
      },
      'PATCH /v1/uploads/u': ({ body }) => {
        bodies.push(body);
        return { json: { id: 'u', offset: body.length, finished: true } };
      },
    });
  }

  it('takes the cache of guix publish by its layout, verified, and says in which store directory it is', async () => {
    await using folder = await temporaryFolder();
    const bases = await publishCache(folder.path);
    assert.ok(bases.length >= 3);
    const sent: { path: string; push: unknown; narSize: number }[] = [];
    const bodies: Buffer[] = [];
    await using server = await pool(sent, bodies);
    const take = (...more: string[]) =>
      run(['import', 'nars', '--from', folder.path, '--json', ...more, '--url', server.url, '--token', 't']);
    // What gx-deps refers to is only in the store of the farm that this was recorded from.
    const { code, out, err } = await take('--trusted-key', acl);
    assert.equal(code, 0, err);
    assert.deepEqual(JSON.parse(out).sent.sort(), bases);
    for (const { push } of sent) assert.deepEqual(push, { storeDir: '/gnu/store' });
    assert.deepEqual(
      bodies.map((body) => zstdDecompressSync(body).length).sort(),
      sent.map(({ narSize }) => narSize).sort(),
    );

    // Damage of every kind; each costs its item alone.
    const [first = '', second = '', third = ''] = bases;
    const narinfo = (base: string) => join(folder.path, 'zstd', `${base}.narinfo`);
    const text = await readFile(narinfo(first), 'utf8');
    await writeFile(narinfo(first), text.replace(/^NarSize: .*$/m, 'NarSize: 1'));
    await writeFile(narinfo(second), (await readFile(narinfo(second), 'utf8')).replaceAll('\n', '\r\n'));
    await writeFile(join(folder.path, 'hashes', third.slice(0, 32)), '/gnu/store/../../etc/passwd');
    await writeFile(join(folder.path, 'hashes', 'z'.repeat(32)), '/nix/store/x');
    const damaged = JSON.parse((await take('--trusted-key', acl)).out);
    const codes = Object.fromEntries(
      damaged.refused.map(({ item, code: why }: { item: string; code: string }) => [item, why]),
    );
    assert.equal(codes[first.slice(0, 32)], 'bad-signature');
    assert.equal(codes[second.slice(0, 32)], 'malformed-narinfo');
    assert.equal(codes[third.slice(0, 32)], 'wrong-store-dir');
    assert.equal(codes['z'.repeat(32)], 'wrong-store-dir');

    await writeFile(
      join(folder.path, 'bad.acl'),
      '(acl (entry (public-key (ecc (curve Ed25519) (q #00#))) (tag (x))))',
    );
    const bad = await take('--trusted-key', join(folder.path, 'bad.acl'));
    assert.equal(bad.code, 2);
    assert.match(bad.err, /bad\.acl: entry 1: expected \(entry KEY \(tag \(guix import\)\)\)/);
  });

  it('takes the collection of a nar-herder by its database', async () => {
    await using folder = await temporaryFolder();
    // A double: its tables are from memory, its narinfos are those that a real guix publish wrote.
    const file = join(folder.path, 'nar_herder.db');
    const database = new DatabaseSync(file);
    database.exec('CREATE TABLE narinfos (id INTEGER PRIMARY KEY, store_path TEXT, contents TEXT)');
    const insert = database.prepare('INSERT INTO narinfos (store_path, contents) VALUES (?, ?)');
    const bases: string[] = [];
    await mkdir(join(folder.path, 'nar/lzip'), { recursive: true });
    await mkdir(join(folder.path, 'nar/gzip'), { recursive: true });
    for (const { bytes } of await readSharedFolder(cached, '.narinfo')) {
      const text = Buffer.from(bytes).toString();
      const base = /^StorePath: \/gnu\/store\/(\S+)$/m.exec(text)?.[1] as string;
      if (sharedAbsent(`guix/nar/gzip/${base}`)) continue;
      insert.run(`/gnu/store/${base}`, text);
      // zstd, which is liked best, was removed.
      await writeFile(join(folder.path, 'nar/gzip', base), await readShared(`guix/nar/gzip/${base}`));
      bases.push(base);
    }
    database.close();
    const sent: { path: string; push: unknown; narSize: number }[] = [];
    await using server = await pool(sent, []);
    const take = (from: string, ...more: string[]) =>
      run(['import', 'nars', '--from', folder.path, '--nar-herder', from, '--json', ...more, '--url', server.url]);
    const { code, out, err } = await take(file, '--trusted-key', acl);
    assert.equal(code, 0, err);
    assert.deepEqual(JSON.parse(out).sent.sort(), bases.sort());
    await writeFile(join(folder.path, 'other.db'), 'no database');
    const refused = await take(join(folder.path, 'other.db'), '--trusted-key', acl);
    assert.equal(refused.code, 2);
    assert.match(refused.err, /expected the database of a nar-herder/);
  });
});
