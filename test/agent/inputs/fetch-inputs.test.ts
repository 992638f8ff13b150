import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { createInputFetcher } from '../../../agent/inputs/fetch-inputs.ts';
import type { Cache } from '../../../agent/ports/cache.ts';
import type { DirectUpstream } from '../../../agent/ports/direct-upstreams.ts';
import { createWaits } from '../../../agent/waits.ts';
import { fingerprint } from '../../../domain/store/fingerprint.ts';
import { createNarVerifier } from '../../../domain/store/nar-verifier.ts';
import { generateSigningKey, sign } from '../../../domain/store/signature.ts';
import { createFakeBuilder, fileNar } from '../../support/fake-builder.ts';
import { createManualRuntime } from '../../support/manual-runtime.ts';
import { fakeBase } from '../../support/paths.ts';

test('a cache whose narinfos refer on and on is given up by name, also where a store is compared with it', async () => {
  const key = generateSigningKey('test', Buffer.alloc(32));
  const signal = new AbortController().signal;
  const waits = createWaits(() => {});
  const base = (n: number): string => fakeBase('item', n);
  for (const most of [
    { narinfos: 20, bytes: 1e9 },
    { narinfos: 1e9, bytes: 10_000 },
  ]) {
    let asked = 0;
    const cache: Cache = {
      async narinfo() {
        assert.ok(++asked < 1000, 'it goes on and on');
        const facts = {
          storePath: `/nix/store/${base(asked)}`,
          narHash: `sha256:${'0'.repeat(52)}`,
          narSize: 96,
          references: [base(asked + 1)],
        };
        const signatures = [sign(key.secret, fingerprint(facts))];
        return { ...facts, url: 'nar/x.nar', compression: 'none', signatures };
      },
      nar: () => assert.fail('nothing is fetched before all is known'),
    };
    const builder = createFakeBuilder(() => assert.fail('nothing is built'));
    const fetcher = createInputFetcher({
      ...{ builder, cache, most, runtime: createManualRuntime(), publicKeys: () => [key.public], concurrency: 4 },
      logger: pino({ level: 'silent' }),
    });
    const session = await builder.open(signal);
    const endless = { code: 'wrong-narinfo', message: /^\/nix\/store\/\w{32}-item\d+: expected a closure of at most/ };
    const first = [`/nix/store/${base(1)}`];
    await assert.rejects(fetcher.fetch(session, first, signal, waits), endless);
    asked = 0;
    await assert.rejects(fetcher.audit(first, signal), endless);
  }
});

test('an item comes from the upstream that its narinfo names, and from the coordinator where that does not go well', async () => {
  const [own, other] = [1, 2].map((fill) => generateSigningKey('up', Buffer.alloc(32, fill)));
  const path = `/nix/store/${fakeBase('item', 1)}`;
  const nar = fileNar('right');
  const verifier = createNarVerifier({ maxSize: nar.length });
  verifier.write(nar);
  const facts = { storePath: path, ...verifier.end(), references: [] };
  const elsewhere = { upstream: 'up', compression: 'xz', url: 'nar/1.xz' };
  const signatures = [sign((own as { secret: string }).secret, fingerprint(facts))];
  const info = { ...facts, url: 'nar/upstream/1.nar', compression: 'none', signatures, elsewhere };
  async function* bytes(...chunks: Uint8Array[]) {
    yield* chunks;
  }
  async function* cut() {
    yield nar.subarray(0, 8);
    throw new Error('connection reset');
  }
  const ways: Record<string, [DirectUpstream['nar'] | undefined, string[], publicKey?: string | undefined]> = {
    'all of it': [async () => bytes(nar), ['up nar/1.xz']],
    'nothing, as it is left alone': [undefined, ['cache']],
    'nothing of that name': [async () => undefined, ['up nar/1.xz', 'cache']],
    'no answer': [() => Promise.reject(new Error('connect ECONNREFUSED')), ['up nar/1.xz', 'cache']],
    'a part': [async () => cut(), ['up nar/1.xz', 'cache']],
    'another NAR': [async () => bytes(fileNar('wrong')), ['up nar/1.xz', 'cache']],
    'no NAR': [async () => bytes(Buffer.from('<html>')), ['up nar/1.xz', 'cache']],
    'what another key has signed': [async () => bytes(nar), ['cache'], other?.public],
  };
  for (const [what, [answer, expected, publicKey = own?.public as string]] of Object.entries(ways)) {
    const fetched: string[] = [];
    const cache: Cache = {
      narinfo: async () => info,
      async nar() {
        fetched.push('cache');
        return bytes(nar);
      },
    };
    const upstream: DirectUpstream | undefined = answer && {
      publicKeys: [publicKey],
      nar(file, signal) {
        fetched.push(`up ${file.url}`);
        return answer(file, signal);
      },
    };
    const builder = createFakeBuilder(() => assert.fail('nothing is built'));
    const { signal } = new AbortController();
    const fetcher = createInputFetcher({
      ...{ builder, cache, runtime: createManualRuntime(), concurrency: 4, logger: pino({ level: 'silent' }) },
      publicKeys: () => [own?.public as string],
      upstreams: { of: (name) => (name === 'up' ? upstream : undefined) },
    });
    const result = await fetcher.fetch(
      await builder.open(signal),
      [path],
      signal,
      createWaits(() => {}),
    );
    assert.deepEqual([result.missing, fetched], [[], expected], what);
    assert.deepEqual(builder.items.get(path)?.nar, nar, what);
  }
});
