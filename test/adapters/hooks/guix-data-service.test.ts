import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import * as z from 'zod';
import { builtIns } from '../../../coordinator/hooks/built-ins.ts';
import type { HookDelivery } from '../../../coordinator/ports/hook-transport.ts';
import { anyHookTransportContract, deliveryOf, type HookReceiver } from '../../contract/hook-transport.ts';
import { hookTransport } from '../../support/hook-transport.ts';
import { listen } from '../../support/web-receiver.ts';

const transport = () => hookTransport({ version: '1.2', storeDir: '/gnu/store' });
const never = new AbortController().signal;
const folder = await mkdtemp(join(tmpdir(), 'drover-gds-'));
after(() => rm(folder, { recursive: true, force: true }));
const tokenFile = join(folder, 'token');
await writeFile(tokenFile, 'aB3+/&?\n');

/** What a Guix Data Service takes, and answers otherwise: the real one needs PostgreSQL with all of Guix in it. */
const body = z.strictObject({
  items: z.array(
    z.strictObject({
      type: z.literal('build'),
      event: z.enum(['scheduled', 'started', 'succeeded', 'failed', 'failed-dependency', 'failed-other', 'canceled']),
      timestamp: z.int(),
      derivation: z.string().regex(/^\/gnu\/store\/[0-9a-z]{32}-.+\.drv$/),
      build_id: z.string().min(1),
    }),
  ),
});
async function openService(): Promise<HookReceiver & { readonly url: string }> {
  let how = 'accept';
  const arrived: ((items: unknown) => void)[] = [];
  const server = await listen((response, received) => {
    const { pathname, searchParams } = new URL(received.path, 'http://x');
    const checked = body.safeParse(JSON.parse(received.body));
    arrived.shift()?.(checked.success ? checked.data.items : checked.error);
    if (how === 'hang') return;
    const isRight = received.method === 'POST' && pathname === '/data/build-server/3/build-events';
    const status = how === 'refuse' ? 500 : !isRight ? 404 : !checked.success ? 400 : 204;
    response.writeHead(searchParams.get('token') === 'aB3+/&?' ? status : 403).end('{"error":"no"}');
  });
  const target = { kind: 'guix-data-service', buildServer: 3, tokenFile, allowPrivate: true } as const;
  return {
    url: `${server.origin}/data/`,
    target: { ...target, url: `${server.origin}/data/` },
    nobody: { ...target, url: 'http://127.0.0.1:1/' },
    behave: (wanted) => {
      how = wanted;
    },
    next: () => new Promise((resolve) => arrived.push(resolve)),
    gone: server.gone,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
const failed = deliveryOf({ kind: 'command', run: 'true' }).event;
const started = (data: object, type: string): Partial<HookDelivery> => ({ event: { ...failed, type, data } });

anyHookTransportContract(
  'guix-data-service',
  () => {
    const { deliver, check } = transport();
    return { check, deliver: (delivery, signal) => deliver({ ...delivery, ...started({}, 'BuildStarted') }, signal) };
  },
  openService,
);

describe('the Guix Data Service', () => {
  it('is told how a build goes, each event by its name', async () => {
    await using service = await openService();
    const seen: unknown[] = [];
    for (const type of builtIns['guix-data-service'].types) {
      const arrived = service.next();
      const outcome = await transport().deliver(deliveryOf(service.target, started({}, type)), never);
      assert.deepEqual(outcome, { ok: true });
      const [item] = (await arrived) as [{ event: string }];
      seen.push(item.event);
      assert.deepEqual(item, {
        type: 'build',
        event: item.event,
        timestamp: 1_700_000_000,
        derivation: '/gnu/store/0c7kfrczv1idqh8bzqjgrdzjh3akz8ip-hello-2.12.drv',
        build_id: 's1-3',
      });
    }
    assert.deepEqual(seen, ['scheduled', 'started', 'succeeded', 'succeeded', 'failed', 'canceled']);
  });
  it('hears of failures of machines as of others', async () => {
    await using service = await openService();
    for (const [failure, name] of [
      ['timed-out', 'failed'],
      ['disk-full', 'failed-other'],
      ['agent-lost', 'failed-other'],
    ] as const) {
      const arrived = service.next();
      const delivery = deliveryOf(service.target, started({}, 'BuildFailed'));
      await transport().deliver({ ...delivery, facts: { ...delivery.facts, class: failure } }, never);
      assert.equal(((await arrived) as [{ event: string }])[0].event, name);
    }
  });
  it('hears of the builds of Guix alone, wherever the coordinator has its store directory', async () => {
    await using service = await openService();
    const both = hookTransport({ version: '1.2', storeDir: '/nix/store' });
    const delivery = deliveryOf(service.target, started({}, 'BuildStarted'));
    const arrived = service.next();
    const guix = { ...delivery, facts: { ...delivery.facts, storeDir: '/gnu/store' } };
    assert.deepEqual(await both.deliver(guix, never), { ok: true });
    const [item] = (await arrived) as [{ derivation: string }];
    assert.match(item.derivation, /^\/gnu\/store\//);
    const nothing = { ok: true, note: 'the service is told of derivations of /gnu/store alone' };
    assert.deepEqual(await both.deliver(delivery, never), nothing);
    const other = await both.deliver(deliveryOf(service.target, started({}, 'AgentPaused')), never);
    assert.deepEqual(other, { ok: true, note: 'the service is told nothing of such an event' });
  });
  it('that refuses the token fails the delivery, and no token is in what is said of it', async () => {
    await using service = await openService();
    const wrong = join(folder, 'wrong');
    await writeFile(wrong, 'not-the-token');
    const target = { ...service.target, tokenFile: wrong } as typeof service.target;
    const outcome = await transport().deliver(deliveryOf(target, started({}, 'BuildStarted')), never);
    assert.deepEqual(outcome, { ok: false, error: 'it answered 403: {"error":"no"}' });
  });
  it('is refused where it cannot work: no token, more than one line, a private address', async () => {
    await using service = await openService();
    const check = (more: object) => transport().check({ ...service.target, ...more } as typeof service.target);
    assert.equal(await check({}), undefined);
    assert.match((await check({ tokenFile: join(folder, 'none') })) ?? '', /^token file .*ENOENT/);
    await writeFile(join(folder, 'empty'), '\n');
    assert.match((await check({ tokenFile: join(folder, 'empty') })) ?? '', /expected a line, got nothing$/);
    await writeFile(join(folder, 'two'), 'a\nb\n');
    assert.match((await check({ tokenFile: join(folder, 'two') })) ?? '', /expected one line, got more$/);
    assert.match((await check({ allowPrivate: false })) ?? '', /expected a public address, got 127\.0\.0\.1/);
  });
});
