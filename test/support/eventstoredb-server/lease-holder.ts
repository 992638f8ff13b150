import { openEventStoreDbEventStore } from '../../../adapters/event-store/eventstoredb/store.ts';
import type { EventStore, EventStoreError, StreamId } from '../../../coordinator/ports/event-store.ts';

/**
 * A writer to be killed or stopped: `node lease-holder.ts URL HOLDER SECONDS`, forked. Says `open`; each message names a
 * stream to append to, and the answer is `stored` or the error's code.
 */
const [, , url = '', holder = '', seconds = ''] = process.argv;
let store: EventStore | undefined;
let appended = 0;
async function append(stream: string): Promise<string> {
  const result = await store?.append({
    id: `${holder}-${appended++}`,
    stream: stream as StreamId,
    expected: 'any',
    at: 1,
    meta: { actor: holder },
    events: [{ type: 'Counted', version: 1, data: appended }],
  });
  return result?.ok ? 'stored' : 'conflict';
}
process.on('message', (stream: string) => {
  append(stream).then(
    (answer) => process.send?.(answer),
    (error: EventStoreError) => process.send?.(error.code),
  );
});
process.on('disconnect', () => process.exit());
store = await openEventStoreDbEventStore({
  connectionString: url,
  writer: { holder, leaseSeconds: Number(seconds) },
});
process.send?.('open');
