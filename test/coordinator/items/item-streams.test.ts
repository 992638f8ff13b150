import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createItemStreams } from '../../../coordinator/items/item-streams.ts';

type Sources = Parameters<typeof createItemStreams>[0];
const path = `${'0'.repeat(32)}-gone`;

it('two who look for the stream of one forgotten item both know how far it is, whoever is first', async () => {
  const reads: (() => void)[] = [];
  const streams = createItemStreams({
    farm: { forgetting: { items: 1 }, itemRevision: () => 'none' },
    writer: { listen() {}, durable: async () => {} },
    log: {
      async *read() {
        await new Promise<void>((resolve) => reads.push(resolve));
        yield { revision: 6 };
      },
    },
  } as unknown as Sources);
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const first = streams.look([path]);
  await turn();
  const second = streams.look([path]);
  await turn();
  reads[0]?.();
  await first;
  assert.equal(streams.revision(path), 6);
  for (const read of reads) read();
  await second;
  assert.equal(streams.revision(path), 6);
});
