import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { constants, gzipSync, zstdCompressSync } from 'node:zlib';
import { addDerivationLines, type DerivationBodyLimits } from '../../../adapters/http/derivation-lines.ts';
import { splitLines } from '../../../adapters/http/lines.ts';
import { DroverError, isDroverError } from '../../../coordinator/errors.ts';
import { createMailbox } from '../../support/mailbox.ts';
import { drvA, type Harness, harness, hashA } from './harness.ts';

const line = (path: string, text: string | Uint8Array) =>
  `${JSON.stringify({ path, text: Buffer.from(text).toString('base64') })}\n`;
const many = (count: number, size = 10) =>
  Array.from({ length: count }, (_, index) => line(`${hashA}-n${index}.drv`, 'x'.repeat(size)));
const post = (server: Harness, payload: string | Buffer, headers: Record<string, string> = {}) =>
  server.ask('submit', {
    method: 'POST',
    url: '/v1/derivations',
    payload,
    headers: { 'content-type': 'application/x-ndjson', ...headers },
  });

describe('a body of derivations', () => {
  test('is handed on in batches, byte for byte and in order', async () => {
    await using server = await harness({ limits: { derivationBatch: 2 } });
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
    const answer = await post(server, [line(drvA, bytes), '\n', ...many(4)].join(''));
    assert.deepEqual(answer.json(), { received: 5, added: 5 });
    const batches = server.application.calls
      .filter(({ method }) => method === 'addDerivations')
      .map(({ args }) => args[0]) as { path: string; text: Uint8Array }[][];
    assert.deepEqual(
      batches.map((batch) => batch.length),
      [2, 2, 1],
    );
    assert.deepEqual([...(batches[0]?.[0]?.text ?? [])], [...bytes]);
    assert.deepEqual(
      batches.flat().map(({ path }) => path.slice(33)),
      ['hello.drv', 'n0.drv', 'n1.drv', 'n2.drv', 'n3.drv'],
    );
  });

  test('may be compressed', async () => {
    await using server = await harness();
    const body = many(50).join('');
    assert.equal((await post(server, zstdCompressSync(body), { 'content-encoding': 'zstd' })).json().added, 50);
    assert.equal((await post(server, gzipSync(body), { 'content-encoding': 'gzip' })).json().added, 50);
  });

  test('may be empty', async () => {
    await using server = await harness();
    assert.deepEqual((await post(server, '')).json(), { received: 0, added: 0 });
  });

  const refused: [
    name: string,
    body: string | Buffer,
    headers: Record<string, string>,
    code: string,
    detail: RegExp,
  ][] = [
    [
      'a line that is not JSON',
      `${line(drvA, 'x')}nonsense\n`,
      {},
      'invalid-request',
      /^line 2: expected a JSON object/,
    ],
    ['a path that is no derivation', line(`${hashA}-hello`, 'x'), {}, 'invalid-request', /^line 1\.path: /],
    [
      'a text that is no base 64',
      `{"path":"${drvA}","text":"not!base64"}`,
      {},
      'invalid-request',
      /^line 1\.text: expected base 64/,
    ],
    ['a field too many', `{"path":"${drvA}","text":"","more":1}`, {}, 'invalid-request', /^line 1: /],
    [
      'a line over the limit',
      line(drvA, 'x'.repeat(3000)),
      {},
      'body-too-large',
      /^line 1: .*-hello\.drv: expected a derivation of at most 1000 bytes \(setting limits\.max-derivation-bytes\)/,
    ],
    ['a body over the limit', many(500).join(''), {}, 'body-too-large', /at most 20000/],
    [
      'a compressed body that is over the limit unpacked',
      zstdCompressSync('\n'.repeat(1_000_000)),
      { 'content-encoding': 'zstd' },
      'body-too-large',
      /at most 20000/,
    ],
    [
      'another encoding',
      'x',
      { 'content-encoding': 'br' },
      'unsupported-media-type',
      /expected none, zstd, gzip, got br/,
    ],
    [
      'a body that is not compressed as it says',
      'plain',
      { 'content-encoding': 'gzip' },
      'invalid-request',
      /expected a body in gzip/,
    ],
    [
      'a compressed body that ends too early',
      gzipSync(many(50).join('')).subarray(0, 60),
      { 'content-encoding': 'gzip' },
      'invalid-request',
      /expected a body in gzip/,
    ],
    ['JSON', '{}', { 'content-type': 'application/json' }, 'unsupported-media-type', /x-ndjson/],
  ];
  for (const [name, body, headers, code, detail] of refused) {
    test(`with ${name} is refused`, async () => {
      await using server = await harness({
        limits: { derivations: { maxDerivationBytes: 1000, maxCommitBytes: 1_000_000 }, body: 20_000 },
      });
      const problem = (await post(server, body, headers)).json();
      assert.equal(problem.code, code, problem.detail);
      assert.match(problem.detail, detail);
    });
  }

  test('that is refused while most of it is still to come is answered, and the connection lives', async () => {
    await using server = await harness({
      application: { addDerivations: async () => Promise.reject(new DroverError('malformed-derivation', 'no')) },
    });
    const url = await server.app.listen({ host: '127.0.0.1', port: 0 });
    const headers = { authorization: 'Bearer secret-of-submit', 'content-type': 'application/x-ndjson' };
    const body = Buffer.from(many(20_000, 100).join(''));
    const answer = await fetch(`${url}/v1/derivations`, { method: 'POST', headers, body });
    assert.equal(answer.status, 422);
    assert.equal(((await answer.json()) as { code: string }).code, 'malformed-derivation');
    assert.equal((await fetch(`${url}/healthz`)).status, 200);
  });
});

describe('over a real connection', () => {
  const cases: [name: string, encoding: string, body: Buffer, status: number, code: string][] = [
    ['gzip that is none', 'gzip', Buffer.from('plain'), 400, 'invalid-request'],
    ['gzip that ends too early', 'gzip', gzipSync(many(50).join('')).subarray(0, 60), 400, 'invalid-request'],
    ['gzip with a wrong sum', 'gzip', damaged(gzipSync(many(50).join(''))), 400, 'invalid-request'],
    ['zstd that is none', 'zstd', Buffer.from('plain'), 400, 'invalid-request'],
    ['zstd that ends too early', 'zstd', zstdCompressSync(many(50).join('')).subarray(0, 60), 400, 'invalid-request'],
    ['a window over the limit', 'zstd', wide(), 400, 'invalid-request'],
    ['zstd in two frames, of which the second is none', 'zstd', two(Buffer.from('plain')), 400, 'invalid-request'],
    ['members of nothing without an end', 'gzip', Buffer.concat(Array(5000).fill(gzipSync(''))), 413, 'body-too-large'],
  ];
  for (const [name, encoding, body, status, code] of cases) {
    test(`${name}: ${status}`, async () => {
      await using server = await harness({ limits: { body: 50_000 } });
      const url = await server.app.listen({ host: '127.0.0.1', port: 0 });
      const answer = await fetch(`${url}/v1/derivations`, {
        method: 'POST',
        headers: {
          authorization: 'Bearer secret-of-submit',
          'content-type': 'application/x-ndjson',
          'content-encoding': encoding,
        },
        body,
      });
      assert.deepEqual([answer.status, ((await answer.json()) as { code: string }).code], [status, code]);
    });
  }
});

/** A frame of nothing and something else, which is not to be passed over. */
function two(second: Buffer): Buffer {
  return Buffer.concat([zstdCompressSync(''), second]);
}

function damaged(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  copy[copy.length - 5] = (copy.at(-5) as number) ^ 1;
  return copy;
}

/** A frame that asks for a window of 128 MiB. */
function wide(): Buffer {
  const params = { [constants.ZSTD_c_windowLog]: 27, [constants.ZSTD_c_contentSizeFlag]: 0 };
  return zstdCompressSync(Buffer.alloc(20_000_000, '\n'), { params });
}

describe('back-pressure', () => {
  const limits: DerivationBodyLimits = { derivation: 10_000, total: 10_000_000, batch: 10, batchBytes: 10_000 };

  test('no more is read while a batch is being added', async () => {
    let read = 0;
    async function* source() {
      for (const part of many(100)) {
        read++;
        yield Buffer.from(part);
      }
    }
    const batches = createMailbox<() => void>();
    const result = addDerivationLines(source(), limits, (batch) => {
      const added = Promise.withResolvers<{ added: number }>();
      batches.put(() => added.resolve({ added: batch.length }));
      return added.promise;
    });
    for (let batch = 1; batch <= 10; batch++) {
      const finish = await batches.take();
      assert.equal(read, batch * 10);
      finish();
    }
    assert.deepEqual(await result, { received: 100, added: 100 });
  });

  test('a batch is full by its bytes as well', async () => {
    const sizes: number[] = [];
    async function* source() {
      yield Buffer.from(many(6, 4000).join(''));
    }
    await addDerivationLines(source(), limits, async (batch) => {
      sizes.push(batch.length);
      return { added: batch.length };
    });
    assert.deepEqual(sizes, [3, 3]);
  });
});

test('lines are the same however the stream is cut', async () => {
  const bytes = Buffer.from('one\n\ntwo\nthree and more\n\nlast');
  for (let size = 1; size <= bytes.length; size++) {
    async function* source() {
      for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
    }
    const lines: string[] = [];
    for await (const found of splitLines(source(), { line: 20, total: 100 })) lines.push(found.toString());
    assert.deepEqual(lines, ['one', 'two', 'three and more', 'last']);
  }
});

test('a line without an end is refused as soon as it is too long', async () => {
  let read = 0;
  async function* source() {
    while (true) {
      read++;
      yield Buffer.alloc(10, 0x61);
    }
  }
  await assert.rejects(
    async () => {
      for await (const _ of splitLines(source(), { line: 100, total: 1000 }));
    },
    (error) => isDroverError(error) && error.code === 'body-too-large',
  );
  assert.equal(read, 11);
});
