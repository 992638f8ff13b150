import assert from 'node:assert/strict';
import { it } from 'node:test';
import { openMemoryEventStore } from '../../../adapters/event-store/memory/store.ts';
import { EventStoreError } from '../../../coordinator/ports/event-store.ts';
import { admin, derivation, drvPath, outPath } from '../../support/coordinator.ts';
import { fakeSha256 } from '../../support/paths.ts';
import { openWorkedFarm } from '../../support/worked-farm.ts';

it('outputs whose success could not be taken at first, as the log could not be read, leave no file once they are deleted', async () => {
  const store = openMemoryEventStore();
  let isAway = false;
  const read: typeof store.read = (...question) => {
    // The stream of the second output alone: the first is published by then.
    if (isAway && question[0] === `item-${outPath(51).slice(0, 32)}`)
      throw new EventStoreError('unavailable', 'no answer');
    return store.read(...question);
  };
  const two = derivation(20, [], { outputs: { dev: outPath(50), out: outPath(51) } });
  const facts = [...Array.from({ length: 12 }, (_, n) => derivation(1 + n)), two];
  const { application, allocations, farm, pool, wish, work } = await openWorkedFarm(facts, {
    rememberedBuilds: 1,
    store: { ...store, read },
  });
  const remove = (items: string[]) =>
    application.deleteItems(admin, { items, reason: 'not wanted', now: true, force: true });
  for (let n = 1; n <= 12; n++) {
    await wish([drvPath(n)]);
    await work();
    await remove([outPath(n)]);
  }
  assert.ok(farm.forgetting.items > 0);
  await wish([drvPath(20)]);
  const [{ build, attempt } = { build: '', attempt: 0 }] = allocations();
  const by = { id: 'agent', scope: 'agent', agent: 'a' } as const;
  const outputs = [];
  for (const [name, n] of [
    ['dev', 50],
    ['out', 51],
  ] as const) {
    const nar = { path: outPath(n), narHash: fakeSha256(n), narSize: 1, references: [] };
    const upload = await application.beginUpload(by, { ...nar, build, attempt, compression: 'zstd', fileSize: 1 });
    outputs.push({ name, ...nar, upload: upload.id });
  }
  const report = { type: 'succeeded', build, attempt, outputs, durationMs: 1000, logBytes: 0 } as const;
  isAway = true;
  await assert.rejects(application.agentMessage('a', report), { code: 'unavailable' });
  isAway = false;
  await application.agentMessage('a', report);
  const files = (pool as unknown as { files: Set<string> }).files;
  assert.ok(files.has(fakeSha256(50)) && files.has(fakeSha256(51)));
  await remove([outPath(50), outPath(51)]);
  assert.deepEqual([files.has(fakeSha256(50)), files.has(fakeSha256(51))], [false, false]);
});
