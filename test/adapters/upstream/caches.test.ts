import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';

import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { pino } from 'pino';
import { createDirectUpstreams } from '../../../adapters/upstream/direct.ts';
import { openFileCache } from '../../../adapters/upstream/file-cache.ts';
import { openHttpCache } from '../../../adapters/upstream/http-cache.ts';
import { openThreadedCache } from '../../../adapters/upstream/threaded-cache.ts';
import type { UpstreamCache } from '../../../coordinator/ports/upstream.ts';
import { fingerprint } from '../../../domain/store/fingerprint.ts';
import { renderNarinfo } from '../../../domain/store/narinfo.ts';
import { generateSigningKey, sign } from '../../../domain/store/signature.ts';
import { createManualRuntime } from '../../support/manual-runtime.ts';
import { fakeBase, fakeSha256 } from '../../support/paths.ts';
import { startStaticServer } from '../../support/static-server.ts';
import { narOf, sha256Of } from '../pool/nars.ts';

const path = fakeBase('o', 1);
const hashPart = path.slice(0, 32);
const nar = Buffer.alloc(300_000, 'nar ');
const narSize = nar.length;
const { signal } = new AbortController();
const options = { id: 'c-1', timeoutMs: 60_000, connections: 4, allowPrivate: false };
const isOwn = { name: 'UpstreamError' };

const packed: Record<string, () => Buffer> = {
  none: () => nar,
  zstd: () => zstdCompressSync(nar),
  'zstd-frames': () => Buffer.concat([zstdCompressSync(nar.subarray(0, 1000)), zstdCompressSync(nar.subarray(1000))]),
  gzip: () => gzipSync(nar),
  br: () => brotliCompressSync(nar),
  xz: () => execFileSync('xz', ['-c'], { input: nar }),
  bzip2: () => execFileSync('bzip2', ['-c'], { input: nar }),
  lzip: () => execFileSync('lzip', ['-c'], { input: nar }),
};

/** Debian's smallest systems lack one or the other. */
const lacks = (compression: string): string | false =>
  ['xz', 'bzip2', 'lzip'].includes(compression) && spawnSync(compression, ['--version']).error
    ? `${compression} is not installed`
    : false;

async function read(stream: AsyncIterable<Uint8Array> | undefined): Promise<Buffer | undefined> {
  return stream && buffer(stream);
}

const folder = await mkdtemp(join(tmpdir(), 'drover-upstream-'));
after(() => rm(folder, { recursive: true, force: true }));
mkdirSync(join(folder, 'nar'));
writeFileSync(join(folder, 'nix-cache-info'), 'StoreDir: /nix/store\n');
const narinfo = renderNarinfo({
  storePath: `/nix/store/${path}`,
  url: 'nar/1',
  compression: 'xz',
  narHash: fakeSha256(1),
  narSize: nar.length,
  references: [path],
  signatures: [],
});
writeFileSync(join(folder, `${hashPart}.narinfo`), narinfo);
writeFileSync(join(folder, `${'1'.repeat(32)}.narinfo`), 'StorePath: /nix/store/x\n');
for (const [name, pack] of Object.entries(packed)) if (!lacks(name)) writeFileSync(join(folder, 'nar', name), pack());
// Of the dictionary, the size: a power of two.
if (!lacks('lzip'))
  for (const [name, power] of [
    ['lzip-128', 27],
    ['lzip-512', 29],
  ] as const)
    writeFileSync(join(folder, 'nar', name), Buffer.from(packed.lzip?.() ?? []).fill(power, 5, 6));
writeFileSync(join(folder, 'nar', 'cut'), gzipSync(nar).subarray(0, 50));
writeFileSync(join(folder, '..', `${folder.slice(-6)}-beside`), 'secret');
after(() => rm(join(folder, '..', `${folder.slice(-6)}-beside`)));

/** What every way to an upstream does. */
function contract(open: () => UpstreamCache): void {
  it('says what it is, what it has and what it has not', async () => {
    using cache = open();
    assert.equal(await cache.info(signal), 'StoreDir: /nix/store\n');
    const info = await cache.narinfo(hashPart, signal);
    assert.deepEqual([info?.storePath, info?.references], [`/nix/store/${path}`, [path]]);
    assert.equal(await cache.narinfo('0'.repeat(32), signal), undefined);
    await assert.rejects(cache.narinfo('1'.repeat(32), signal), isOwn);
  });

  for (const compression of Object.keys(packed))
    it(`gives a NAR that is compressed as ${compression}`, { skip: lacks(compression) }, async () => {
      using cache = open();
      assert.ok(
        (
          await read(
            await cache.nar(
              { url: `nar/${compression}`, compression: compression.split('-', 1)[0] as string, narSize },
              signal,
            ),
          )
        )?.equals(nar),
      );
    });

  it('says of what is no NAR as it was told, or none at all', async () => {
    using cache = open();
    assert.equal(await cache.nar({ url: 'nar/nothing', compression: 'none', narSize }, signal), undefined);
    for (const [url, compression] of [
      ['nar/cut', 'gzip'],
      ['nar/none', 'xz'],
      ['nar/none', 'zstd'],
    ] as const)
      await assert.rejects(
        async () => read(await cache.nar({ url, compression, narSize }, signal)),
        isOwn,
        `${url} ${compression}`,
      );
    await assert.rejects(
      async () => read(await cache.nar({ url: 'nar/none', compression: 'lz77', narSize }, signal)),
      isOwn,
    );
  });

  it('holds no more memory for a NAR than the strongest compression takes', { skip: lacks('lzip') }, async () => {
    using cache = open();
    const read128 = await cache.nar({ url: 'nar/lzip-128', compression: 'lzip', narSize }, signal);
    assert.ok((await read(read128))?.equals(nar));
    await assert.rejects(
      async () => read(await cache.nar({ url: 'nar/lzip-512', compression: 'lzip', narSize }, signal)),
      /lzip: .*[Mm]emory/,
    );
  });

  it('leaves a NAR that nobody reads to its end', async () => {
    using cache = open();
    for await (const chunk of (await cache.nar({ url: 'nar/gzip', compression: 'gzip', narSize }, signal)) ?? []) {
      assert.ok(chunk.length > 0);
      break;
    }
  });
}

describe('an upstream in a folder', () => {
  contract(() => openFileCache(`file://${folder}`));
  describe('that a thread reads', () => contract(() => openThreadedCache({ file: `file://${folder}` }, [])));

  it('is away where the folder is, and has nothing outside of it', async () => {
    await assert.rejects(openFileCache(`file://${folder}-gone`).narinfo(hashPart, signal), isOwn);
    const beside = { url: `../${folder.slice(-6)}-beside`, compression: 'none', narSize };
    await assert.rejects(openFileCache(`file://${folder}`).nar(beside, signal), isOwn);
    const [away, pipe] = ['a', 'b'].map((name) => name.repeat(32)) as [string, string];
    symlinkSync('/etc/passwd', join(folder, `${away}.narinfo`));
    execFileSync('mkfifo', [join(folder, `${pipe}.narinfo`)]);
    for (const [name, words] of [
      [away, /expected a file in .*, a link to \/etc\/passwd/],
      [pipe, /expected a regular file/],
    ] as const) {
      const cache = openFileCache(`file://${folder}`);
      await assert.rejects(cache.narinfo(name, signal), words);
      await assert.rejects(cache.nar({ url: `${name}.narinfo`, compression: 'none', narSize }, signal), words);
    }
  });
});

describe('an upstream over HTTP', () => {
  let server: Awaited<ReturnType<typeof startStaticServer>>;
  before(async () => {
    server = await startStaticServer(folder);
  });
  after(() => server[Symbol.asyncDispose]());
  contract(() => openHttpCache({ url: server.url, ...options }));

  /** A server that answers so, and a cache on it. */
  async function answering(
    answer: RequestListener,
    more: Partial<typeof options> & { headers?: Record<string, string> } = {},
  ) {
    const http = createServer(answer).listen(0, '127.0.0.1');
    await once(http, 'listening');
    const { port } = http.address() as AddressInfo;
    const cache = openHttpCache({ url: `http://127.0.0.1:${port}/sub`, ...options, ...more });
    return {
      cache,
      port,
      async [Symbol.asyncDispose]() {
        cache[Symbol.dispose]();
        http.closeAllConnections();
        http.close();
      },
    };
  }

  for (const [what, answer] of Object.entries<RequestListener>({
    'an answer of a broken server': (_, response) => void response.writeHead(500).end(),
    'one that wants a token': (_, response) => void response.writeHead(401).end(),
    'a narinfo without an end': (_, response) => {
      response.writeHead(200);
      const go = (): void => {
        while (response.write(Buffer.alloc(100_000)));
        response.once('drain', go);
      };
      go();
    },
    'a cut answer': (_, response) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('StorePath');
      setImmediate(() => response.destroy());
    },
    'redirects in a circle': (request, response) =>
      void response.writeHead(302, { location: request.url as string }).end(),
    'a redirect to a file': (_, response) => void response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
    'a redirect to a private address': (_, response) =>
      void response.writeHead(302, { location: 'http://169.254.169.254/latest' }).end(),
    'a redirect to a name of a private address': (_, response) =>
      void response.writeHead(302, { location: 'http://localhost:9/' }).end(),
  }))
    it(`is not there with ${what}`, async () => {
      await using server = await answering(answer);
      await assert.rejects(server.cache.narinfo(hashPart, signal), isOwn);
    });

  it('is not waited for where it says nothing, or says it too slowly', async () => {
    for (const begun of [false, true]) {
      const timers: NodeJS.Timeout[] = [];
      const slow: RequestListener = (_, response) => {
        if (begun) timers.push(setInterval(() => response.write('S'), 10));
      };
      await using server = await answering(slow, { timeoutMs: 200 });
      await assert.rejects(server.cache.narinfo(hashPart, signal), isOwn);
      for (const timer of timers) clearInterval(timer);
    }
  });

  /** Sends the same again and again, for as long as the other side reads. */
  const endless =
    (status: number, bytes: Buffer, headers: Record<string, string> = {}): RequestListener =>
    (_, response) => {
      response.writeHead(status, headers);
      const go = (): void => {
        while (!response.destroyed && response.write(bytes));
      };
      response.on('drain', go);
      go();
    };

  it('is not read on where its answer without an end is none that is wanted', async () => {
    for (const [status, headers] of [
      [404, {}],
      [500, {}],
      [302, { location: 'file:///etc/passwd' }],
    ] as const) {
      const closed = Promise.withResolvers<void>();
      await using server = await answering((request, response) => {
        response.on('close', closed.resolve);
        endless(status, Buffer.alloc(100_000), headers)(request, response);
      });
      await server.cache.narinfo(hashPart, signal).catch(() => undefined);
      await closed.promise;
    }
  });

  const skipped = Buffer.alloc(1008);
  skipped.writeUInt32LE(0x184d2a50, 0);
  skipped.writeUInt32LE(1000, 4);
  for (const [compression, nothing] of [
    ['zstd', skipped],
    ['gzip', gzipSync('')],
    ['xz', undefined],
  ] as const)
    it(`is left where it sends nothing without an end, compressed as ${compression}`, {
      skip: lacks(compression),
    }, async () => {
      const bytes = nothing ?? execFileSync('xz', ['-c'], { input: '' });
      await using server = await answering(endless(200, Buffer.concat(Array(100).fill(bytes))));
      const file = { url: 'nar/1', compression, narSize };
      await assert.rejects(
        async () => read(await server.cache.nar(file, signal)),
        /expected a file (of at most|in zstd of fewer)/,
      );
    });

  it('is left where a NAR comes so slowly that it never ends, but not for a reader who takes his time', async (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    let isWhole = false;
    await using server = await answering((_, response) => void (isWhole ? response.end('NAR') : response.write('N')));
    const file = { url: 'nar/1', compression: 'none', narSize };
    const passed = (): void => t.mock.timers.tick(6 * options.timeoutMs);
    const slow = assert.rejects(read(await server.cache.nar(file, signal)), /bytes in 60 s, got less 5 times in a row/);
    passed();
    await slow;
    isWhole = true;
    const all = await server.cache.nar(file, signal);
    let got = '';
    for await (const chunk of all ?? []) {
      // All of it has come by now.
      passed();
      got += Buffer.from(chunk).toString();
    }
    assert.equal(got, 'NAR');
  });

  it('is left where it only ever says that an answer is to come', async () => {
    const timers: NodeJS.Timeout[] = [];
    const file = { url: 'nar/1', compression: 'none', narSize };
    await using vague = await answering(
      (_, response) => {
        timers.push(setInterval(() => response.writeProcessing(), 5));
      },
      { timeoutMs: 40 },
    );
    await assert.rejects(async () => read(await vague.cache.nar(file, signal)), isOwn);
    for (const timer of timers) clearInterval(timer);
  });

  it('gets its headers, and those it sends on to do not', async () => {
    const seen: (readonly [string, string | undefined])[] = [];
    await using other = await answering((request, response) => {
      seen.push(['other', request.headers.authorization]);
      response.writeHead(200).end(narinfo);
    });
    const headers = { authorization: 'Bearer x' };
    const own: RequestListener = (request, response) => {
      seen.push([request.url as string, request.headers.authorization]);
      response.writeHead(302, { location: `http://127.0.0.1:${other.port}/` }).end();
    };
    await using server = await answering(own, { headers, allowPrivate: true });
    assert.ok(await server.cache.narinfo(hashPart, signal));
    assert.deepEqual(seen, [
      [`/sub/${hashPart}.narinfo`, 'Bearer x'],
      ['other', undefined],
    ]);
  });

  it('is told on whose behalf it is asked', async () => {
    const seen: unknown[] = [];
    await using server = await answering((request, response) => {
      seen.push(request.headers['drover-via']);
      response.writeHead(404).end();
    });
    await server.cache.narinfo(hashPart, signal);
    await server.cache.narinfo(hashPart, signal, 'a b');
    await server.cache.nar({ url: 'nar/1', compression: 'none', narSize }, signal, 'a');
    assert.deepEqual(seen, ['c-1', 'a b c-1', 'a c-1']);
  });

  it('has its signatures checked on the thread that asks it, which is started again where it has ended', async () => {
    const key = generateSigningKey('up-1', new Uint8Array(32));
    const said = { storePath: `/nix/store/${path}`, narHash: fakeSha256(1), narSize: 1000, references: [path] };
    const good = sign(key.secret, fingerprint(said));
    const rest = { url: 'nar/1', compression: 'none', signatures: [`up-1:${'A'.repeat(86)}==`, good] };
    await using server = await answering((request, response) => {
      if (request.url?.includes('1111')) return void response.writeHead(500).end();
      if (request.url?.includes('2222')) return;
      response.writeHead(request.url?.includes(hashPart) ? 200 : 404).end(renderNarinfo({ ...said, ...rest }));
    });
    const http = { url: `http://127.0.0.1:${server.port}/sub`, ...options };
    using cache = openThreadedCache({ http }, [key.public]);
    const all = await Promise.all([hashPart, '0'.repeat(32)].map((one) => cache.narinfo(one, signal)));
    assert.deepEqual(all, [{ ...said, ...rest, holding: [good] }, undefined]);
    await assert.rejects(cache.narinfo('1'.repeat(32), signal), isOwn);
    const end = new AbortController();
    const given = cache.narinfo('2'.repeat(32), end.signal);
    end.abort(new Error('nobody waits'));
    await assert.rejects(given, { message: 'nobody waits' });
    const cut = assert.rejects(cache.narinfo('2'.repeat(32), signal), isOwn);
    cache[Symbol.dispose]();
    await cut;
    assert.ok(await cache.narinfo(hashPart, signal));
  });

  for (const compression of ['none', 'gzip', 'zstd', 'xz'])
    it(`says of a NAR (${compression}) whose connection ends or falls silent that the upstream may only be away`, {
      skip: lacks(compression),
    }, async () => {
      const bytes = packed[compression]?.() as Buffer;
      await using server = await answering(({ url }, response) => {
        response.writeHead(200, { 'content-length': bytes.length });
        response.write(bytes.subarray(0, 6), () => {
          if (url?.endsWith('ended')) response.destroy();
          else if (url?.endsWith('reset')) response.socket?.resetAndDestroy();
        });
      });
      const url = `http://127.0.0.1:${server.port}/sub`;
      const item = { path, compression, narHash: fakeSha256(1), narSize };
      for (const end of ['ended', 'reset', 'silent']) {
        // The end of a connection is waited for, however long it takes; what it sent before it fell silent has a while to come.
        const timeoutMs = end === 'silent' ? 2000 : options.timeoutMs;
        using cache = openThreadedCache({ http: { url, ...options, timeoutMs } }, []);
        const fault = await cache.fault?.({ ...item, url: `nar/${end}` }, signal);
        assert.equal(fault?.how, 'silent', `${end}: ${fault?.reason}`);
        assert.match(fault?.reason ?? '', end === 'silent' ? /no byte came/ : /the connection ended before/);
      }
    });

  it('fails what was asked of a thread that cannot be started, and asks another for the next', async () => {
    const program = new URL('http://not.a.module/');
    using cache = openThreadedCache({ http: { url: 'http://127.0.0.1:1/', ...options } }, [], program);
    const both = [cache.info(signal), cache.narinfo(hashPart, signal)].map((asked) =>
      assert.rejects(asked, { name: 'UpstreamError', message: /could not be started/ }),
    );
    await Promise.all(both);
    await assert.rejects(cache.info(signal), isOwn);
  });

  it('answers questions, and has a NAR looked at, while another NAR has all connections', async () => {
    const hanging = Promise.withResolvers<void>();
    const bytes = await narOf('of an upstream');
    await using server = await answering((request, response) => {
      if (request.url === '/sub/nar/long') return void response.writeHead(200).write('N', () => hanging.resolve());
      if (request.url === '/sub/nar/good') return void response.writeHead(200).end(bytes);
      response.writeHead(404).end();
    });
    const url = `http://127.0.0.1:${server.port}/sub`;
    using cache = openThreadedCache({ http: { url, ...options, connections: 1 } }, []);
    const end = new AbortController();
    const file = { url: 'nar/long', compression: 'none', narSize: 1000 };
    const reading = read(await cache.nar(file, end.signal));
    await hanging.promise;
    assert.deepEqual(await Promise.all([cache.info(signal), cache.narinfo(hashPart, signal)]), [undefined, undefined]);
    const good = { path, url: 'nar/good', compression: 'none', narHash: sha256Of(bytes), narSize: bytes.length };
    const faults = [good, { ...good, narHash: fakeSha256(1) }, { ...good, url: 'nar/none' }].map((item) =>
      cache.fault?.(item, signal),
    );
    const [none, other, absent] = await Promise.all(faults);
    assert.equal(none, undefined);
    assert.match(other?.reason ?? '', /^expected a NAR with sha256:/);
    assert.deepEqual(absent, { reason: 'the upstream does not have its NAR', how: 'wrong' });
    end.abort();
    await assert.rejects(reading);
  });

  it('is left alone by an agent that cannot reach it, for a while', async () => {
    let isAway = true;
    await using server = await answering((_, response) => void response.writeHead(isAway ? 500 : 200).end('NAR'));
    const runtime = createManualRuntime();
    using direct = createDirectUpstreams(runtime, pino({ level: 'silent' }));
    const url = `http://127.0.0.1:${server.port}`;
    direct.told([{ name: 'up', url, publicKeys: ['up-1:x'], timeoutSeconds: 60, allowPrivate: false }]);
    const file = { url: 'nar/1', compression: 'none', narSize };
    for (let n = 0; n < 3; n++) await assert.rejects(async () => direct.of('up')?.nar(file, signal), isOwn);
    assert.equal(direct.of('up'), undefined);
    runtime.advance(10_000);
    isAway = false;
    assert.equal((await read(await direct.of('up')?.nar(file, signal)))?.toString(), 'NAR');
    direct.told([]);
    assert.equal(direct.of('up'), undefined);
  });

  it('is asked over connections that are kept', async () => {
    const sockets = new Set<unknown>();
    await using server = await answering((request, response) => {
      sockets.add(request.socket);
      response.writeHead(404).end();
    });
    for (let n = 0; n < 5; n++)
      await Promise.all(Array.from({ length: 8 }, () => server.cache.narinfo(hashPart, signal)));
    assert.ok(sockets.size <= options.connections, `${sockets.size}`);
  });
});
