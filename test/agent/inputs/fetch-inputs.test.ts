import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createInputFetcher } from '../../../agent/inputs/fetch-inputs.ts';
import type { Cache } from '../../../agent/ports/cache.ts';
import { createWaits } from '../../../agent/waits.ts';
import { fingerprint } from '../../../domain/store/fingerprint.ts';
import { generateSigningKey, sign } from '../../../domain/store/signature.ts';
import { createFakeBuilder } from '../../support/fake-builder.ts';
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
    });
    const session = await builder.open(signal);
    const endless = { code: 'wrong-narinfo', message: /^\/nix\/store\/\w{32}-item\d+: expected a closure of at most/ };
    const first = [`/nix/store/${base(1)}`];
    await assert.rejects(fetcher.fetch(session, first, signal, waits), endless);
    asked = 0;
    await assert.rejects(fetcher.audit(first, signal), endless);
  }
});
