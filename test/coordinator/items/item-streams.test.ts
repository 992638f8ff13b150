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

it('knows how far a stream is that was looked for, also where its item is forgotten before more is appended', async () => {
  const farm = { forgetting: { items: 0 }, itemRevision: (): number | 'none' => 4 };
  const listeners: ((category: string, id: string) => void)[] = [];
  const streams = createItemStreams({
    farm,
    writer: { listen: (listener: () => void) => void listeners.push(listener), durable: async () => {} },
    log: {
      // biome-ignore lint/correctness/useYield: it is not to be read.
      async *read() {
        throw new Error('what is known is not read');
      },
    },
  } as unknown as Sources);
  const [id, never] = [path.slice(0, 32), `${'1'.repeat(32)}-new`];
  await streams.look([path]);
  farm.itemRevision = () => 'none';
  await streams.look([never]);
  farm.forgetting.items = 1;
  assert.deepEqual([streams.revision(path), streams.revision(never)], [4, 'none']);
  for (const hear of listeners) hear('item', id);
  assert.equal(streams.revision(path), 5, 'what is appended counts, whoever has it');
});
