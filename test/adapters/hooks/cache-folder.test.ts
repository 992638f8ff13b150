import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { narUrl } from '../../../adapters/http/cache/nar-url.ts';
import { isFolderHeld, lockCacheFolder } from '../../../adapters/mirror/folder-lock.ts';
import { createLayout } from '../../../adapters/pool/filesystem/layout.ts';
import type { HookDelivery } from '../../../coordinator/ports/hook-transport.ts';
import { hookDefaults } from '../../../domain/hook/definition.ts';
import type { HookTarget } from '../../../domain/hook/target.ts';
import { renderNarinfo } from '../../../domain/store/narinfo.ts';
import { anyHookTransportContract, deliveryOf, type HookReceiver } from '../../contract/hook-transport.ts';
import { admin, openTestCoordinator } from '../../support/coordinator.ts';
import { hookTransport } from '../../support/hook-transport.ts';
import { noCache } from '../../support/no-cache.ts';
import { itemOf, upstreamItemOf } from '../mirror/fake-drover.ts';
import { narOf } from '../pool/nars.ts';

const root = mkdtempSync(join(tmpdir(), 'drover-folders-'));
const pool = join(root, 'pool');
const item = itemOf(1, await narOf('one'));
const found = upstreamItemOf(2, await narOf(Buffer.alloc(1_000_000, 'found')));
const file = createLayout(pool).nar({ hash: item.info.fileHash as string, compression: 'none' });
await mkdir(dirname(file), { recursive: true });
await writeFile(file, item.nar, { mode: 0o600 });

let how = 'accept';
const asked: (() => void)[] = [];
/** Of the NAR of an upstream that was opened last, and what comes of it. */
let reading: AbortSignal | undefined;
let pieces = function* (): Generator<Uint8Array> {
  for (let at = 0; at < found.nar.length; at += 65_536) yield found.nar.subarray(at, at + 65_536);
};
const transport = hookTransport({
  cache: {
    ...noCache,
    pool,
    folders: [join(root, 'data')],
    async narinfo(hashPart) {
      if (found.path.startsWith(hashPart)) return renderNarinfo(found.info);
      for (const tell of asked.splice(0)) tell();
      if (how === 'refuse') throw new Error('the coordinator is starting');
      return how === 'hang' ? new Promise(() => {}) : renderNarinfo(item.info);
    },
    async upstreamNar(url, signal) {
      reading = signal;
      return url === found.info.url ? ReadableStream.from(pieces()) : undefined;
    },
    lackOf: async () => undefined,
  },
});
after(async () => {
  await transport[Symbol.asyncDispose]();
  rmSync(root, { recursive: true, force: true });
});

const delivery = (target: HookTarget, type: string, more: Partial<HookDelivery> = {}): HookDelivery => {
  const { event, facts } = deliveryOf(target);
  return deliveryOf(target, {
    event: { ...event, type, data: { path: item.path } },
    facts: { ...facts, outputs: [item.path] },
    ...more,
  });
};
const deliver = (target: HookTarget, type: string, more: Partial<HookDelivery> = {}) =>
  transport.deliver(delivery(target, type, more), new AbortController().signal);

let folders = 0;
/** What comes of an event that the folder has no use for. */
const nothing = { ok: true, note: 'nothing of it is for the folder' };
anyHookTransportContract(
  'publish and mirror',
  () => ({
    check: transport.check,
    deliver: ({ target }, signal) => transport.deliver(delivery(target, 'BuildSucceeded'), signal),
  }),
  async (): Promise<HookReceiver> => ({
    target: { kind: 'publish', folder: join(root, `folder-${folders++}`) },
    nobody: { kind: 'publish', folder: '/proc/none' },
    behave: (wanted) => {
      how = wanted;
    },
    next: () => new Promise((resolve) => asked.push(() => resolve(undefined))),
    gone: async () => {},
    [Symbol.asyncDispose]: async () => {},
  }),
);

describe('folders that hooks write', () => {
  it('get what is wanted by the conditions, for whoever reads them, and what is built in is refused where it must not be', async () => {
    how = 'accept';
    const folder = join(root, 'cache');
    const publish = { kind: 'publish', folder } as const;
    const names = () => readdirSync(folder).filter((name) => name.endsWith('.narinfo'));
    assert.deepEqual(await deliver(publish, 'BuildSatisfied', { wanted: false }), nothing);
    // It is known from now on: one that has delivered finds what it has written, or says that it does not.
    assert.ok(existsSync(join(folder, '.drover-mirror.json')));
    const away = await deliver({ kind: 'publish', folder: join(root, 'away') }, 'BuildSatisfied', { begun: true });
    assert.match(away.ok ? '' : away.error, /away: expected the folder that was written before/);
    assert.deepEqual(await deliver(publish, 'StoreItemAdded'), nothing);
    assert.deepEqual(await deliver({ kind: 'mirror', folder }, 'StoreItemAdded', { wanted: false }), nothing);
    assert.deepEqual(names(), []);
    assert.deepEqual(await deliver({ kind: 'mirror', folder }, 'StoreItemAdded'), { ok: true });
    assert.deepEqual(await deliver(publish, 'BuildSatisfied'), { ok: true });
    assert.deepEqual(names(), [`${item.path.slice(0, 32)}.narinfo`]);
    // Readable for a web server, unlike the pool's own file.
    assert.match(execFileSync('stat', ['-c', '%a', join(folder, item.info.url)], { encoding: 'utf8' }), /^644$/m);
    // Nobody else may write there while more may come, and anybody once it is let go; what comes after all begins anew.
    assert.ok(isFolderHeld(folder));
    assert.throws(() => lockCacheFolder(folder), { name: 'FolderInUse' });
    transport.release?.(publish);
    while (isFolderHeld(folder)) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.deepEqual(await deliver(publish, 'BuildSatisfied', { begun: true }), { ok: true });
    for (const own of ['data', 'data/pool', '.'])
      assert.match(
        (await transport.check({ ...publish, folder: join(root, own) })) ?? '',
        /apart from the coordinator's own/,
      );
    assert.equal(await transport.check(publish), undefined);
  });

  it('get through the coordinator what only an upstream has, and hold no upstream when they are done or fail', async () => {
    const folder = join(root, 'found');
    const target = { kind: 'publish', folder } as const;
    const wanted = { facts: { outputs: [found.path] } };
    const whole = pieces;
    pieces = function* () {
      yield found.nar.subarray(0, 1000);
      throw new Error('it breaks off');
    };
    const cut = await deliver(target, 'BuildSatisfied', wanted);
    assert.match(cut.ok ? '' : cut.error, /could not be had: .*it breaks off/);
    assert.ok(reading?.aborted);
    pieces = whole;
    assert.deepEqual(await deliver(target, 'BuildSatisfied', wanted), { ok: true });
    assert.ok(readFileSync(join(folder, narUrl({ hash: found.info.narHash, compression: 'none' }))).equals(found.nar));
    assert.ok(reading?.aborted);
    assert.deepEqual(await deliver(target, 'StoreItemFoundUpstream'), nothing);
  });

  it('are let go by a hook of a coordinator that is paused or removed, and written again once it is resumed', async () => {
    how = 'accept';
    const target = { kind: 'publish', folder: join(root, 'let-go') } as const;
    const farm = await openTestCoordinator([], { hookTransport: transport });
    /** Deliveries go to another process. */
    const until = async (isHeld: boolean) => {
      while (!existsSync(target.folder) || isFolderHeld(target.folder) !== isHeld)
        await new Promise((resolve) => setTimeout(resolve, 10));
    };
    const somethingHappens = (agent: string) => farm.application.addAgent(admin, agent);
    await farm.application.addHook(admin, 'cache', {
      definition: { ...hookDefaults, on: ['AgentRegistered'], target },
    });
    await somethingHappens('a');
    await until(true);
    await farm.application.pauseHook(admin, 'cache', 'another program writes there');
    await until(false);
    lockCacheFolder(target.folder)[Symbol.dispose]();
    await somethingHappens('b');
    await farm.application.resumeHook(admin, 'cache');
    await until(true);
    await farm.application.removeHook(admin, 'cache');
    await until(false);
    farm.dispose();
  });
});
