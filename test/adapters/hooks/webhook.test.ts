import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isPrivateAddress } from '../../../adapters/hooks/addresses.ts';
import { deliveryOf, type HookReceiver, hookTransportContract } from '../../contract/hook-transport.ts';
import { hookTransport } from '../../support/hook-transport.ts';
import { listen, type Received } from '../../support/web-receiver.ts';

const transport = () => hookTransport({ version: '1.2' });
const never = new AbortController().signal;

async function openWebhook(): Promise<HookReceiver> {
  let how = 'accept';
  const arrived: ((event: unknown) => void)[] = [];
  const server = await listen((response, { body }) => {
    arrived.shift()?.(JSON.parse(body));
    if (how !== 'hang') response.writeHead(how === 'accept' ? 204 : 500).end();
  });
  return {
    target: { kind: 'webhook', url: server.url, allowPrivate: true },
    nobody: { kind: 'webhook', url: 'http://127.0.0.1:1/', allowPrivate: true },
    behave: (wanted) => {
      how = wanted;
    },
    next: () => new Promise((resolve) => arrived.push(resolve)),
    gone: server.gone,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

hookTransportContract('webhook', transport, openWebhook);

/** By the text of the specification alone: what a receiver that knows nothing of Drover does. */
function verify(secret: string, { headers, body }: Received): boolean {
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
  const text = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
  const expected = createHmac('sha256', key).update(text).digest('base64');
  return String(headers['webhook-signature']).split(' ').includes(`v1,${expected}`);
}

describe('a webhook', () => {
  it('is signed as Standard Webhooks say, with each secret of its file', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'drover-hook-'));
    const received: Received[] = [];
    await using server = await listen((response, request) => {
      received.push(request);
      response.writeHead(200).end();
    });
    try {
      const secrets = [32, 24].map((size) => `whsec_${randomBytes(size).toString('base64')}`);
      const secretFile = join(dir, 'secret');
      await writeFile(secretFile, `${secrets.join('\n')}\n`, { mode: 0o600 });
      const target = { kind: 'webhook', url: server.url, allowPrivate: true, secretFile } as const;
      assert.equal(await transport().check(target), undefined);
      const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
      assert.deepEqual(await transport().deliver(deliveryOf(target, { traceparent }), never), { ok: true });
      const [got] = received;
      assert.ok(got);
      for (const secret of secrets) assert.ok(verify(secret, got));
      assert.ok(!verify(`whsec_${randomBytes(32).toString('base64')}`, got));
      assert.equal(got.headers['webhook-id'], 'build-s1-3@4');
      assert.ok(Math.abs(Number(got.headers['webhook-timestamp']) - Date.now() / 1000) < 60);
      assert.equal(got.method, 'POST');
      assert.match(String(got.headers['content-type']), /^application\/cloudevents\+json/);
      assert.equal(got.headers['user-agent'], 'drover/1.2');
      assert.equal(got.headers.traceparent, traceparent);
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  it('says what is wrong with its secret file, and nothing of what is in it', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'drover-hook-'));
    try {
      const secretFile = join(dir, 'secret');
      const target = { kind: 'webhook', url: 'https://example.org/', secretFile } as const;
      assert.match((await transport().check(target)) ?? '', /ENOENT/);
      for (const text of ['', 'root:x:0:0:hunter2', 'whsec_c2hvcnQ=', 'whsec_!!']) {
        await writeFile(secretFile, text);
        const problem = (await transport().check(target)) ?? '';
        assert.match(problem, /expected whsec_/);
        assert.doesNotMatch(problem, /hunter2/);
        const outcome = await transport().deliver(deliveryOf(target), never);
        assert.ok(!outcome.ok && outcome.error === problem);
      }
      await chmod(secretFile, 0o600);
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  it('reads its secret from small files alone', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'drover-hook-'));
    try {
      const fifo = join(dir, 'fifo');
      execFileSync('mkfifo', [fifo]);
      for (const secretFile of [fifo, dir, '/dev/zero', '/dev/null']) {
        const target = { kind: 'webhook', url: 'https://example.org/', secretFile } as const;
        // More of them than there are threads to wait in.
        for (const problem of await Promise.all(Array.from({ length: 6 }, () => transport().check(target))))
          assert.match(problem ?? '', /expected a file, got a folder, device or pipe/);
      }
      const secretFile = join(dir, 'large');
      await writeFile(secretFile, 'x'.repeat(5000));
      const target = { kind: 'webhook', url: 'https://example.org/', secretFile } as const;
      assert.match((await transport().check(target)) ?? '', /expected at most 4096 bytes/);
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  it('follows no redirect, and says what it was answered', async () => {
    let calls = 0;
    await using server = await listen((response, { headers }) => {
      calls++;
      if (headers['webhook-id'] === 'build-s1-3@4') response.writeHead(307, { location: '/elsewhere' }).end('go there');
      else response.writeHead(422).end(`not\n  ${'x'.repeat(100_000)}`);
    });
    const target = { kind: 'webhook', url: server.url, allowPrivate: true } as const;
    assert.deepEqual(await transport().deliver(deliveryOf(target), never), {
      ok: false,
      error: 'it answered 307, a redirect, which is not followed',
    });
    assert.equal(calls, 1);
    const { event } = deliveryOf(target);
    const outcome = await transport().deliver(deliveryOf(target, { event: { ...event, revision: 5 } }), never);
    assert.ok(!outcome.ok && outcome.error.startsWith('it answered 422: not xxx') && outcome.error.length < 5000);
  });

  it('does not read an answer that has no end', async () => {
    await using server = await listen((response) => {
      response.writeHead(500);
      const more = (): void => {
        while (response.write('x'.repeat(10_000)) && !response.destroyed);
        if (!response.destroyed) response.once('drain', more);
      };
      more();
    });
    const target = { kind: 'webhook', url: server.url, allowPrivate: true } as const;
    assert.equal((await transport().deliver(deliveryOf(target), never)).ok, false);
    await server.gone();
  });

  it('calls no private address, by number or by name, unless it is allowed to', async () => {
    let calls = 0;
    await using server = await listen((response) => {
      calls++;
      response.writeHead(200).end();
    }, '::');
    for (const host of ['127.0.0.1', '[::1]', '[::ffff:127.0.0.1]', 'localhost', '0.0.0.0', '2130706433']) {
      const target = { kind: 'webhook', url: `http://${host}:${server.port}/` } as const;
      const outcome = await transport().deliver(deliveryOf(target), never);
      assert.ok(!outcome.ok && /expected a public address/.test(outcome.error), `${host}: ${JSON.stringify(outcome)}`);
    }
    assert.equal(calls, 0);
    const allowed = { kind: 'webhook', url: `http://localhost:${server.port}/`, allowPrivate: true } as const;
    assert.deepEqual(await transport().deliver(deliveryOf(allowed), never), { ok: true });
    assert.match((await transport().check({ kind: 'webhook', url: 'http://10.1.2.3/' })) ?? '', /allow-private/);
  });

  it('knows which addresses are private', () => {
    for (const address of [
      '10.0.0.1',
      '172.31.255.255',
      '192.168.1.1',
      '169.254.169.254',
      '100.64.0.1',
      '127.1.2.3',
      '0.0.0.0',
      '224.0.0.1',
      '255.255.255.255',
      '::1',
      '::',
      'fe80::1%eth0',
      'fd00::1',
      '::ffff:10.0.0.1',
      '::ffff:0:10.0.0.1',
      '64:ff9b::a00:1',
      '2002:a00:1::',
      'ff02::1',
      'no address',
    ])
      assert.ok(isPrivateAddress(address), address);
    for (const address of ['1.1.1.1', '172.32.0.1', '192.169.0.1', '2606:4700::1111', '::ffff:1.1.1.1'])
      assert.ok(!isPrivateAddress(address), address);
  });
});
