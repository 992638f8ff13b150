import type { Batch } from '../../coordinator/ports/event-store.ts';
import type { Runtime } from '../../coordinator/ports/runtime.ts';
import type { Scope } from '../../domain/token/events.ts';
import { envelopeOf } from './event-envelope.ts';
import { type EventSelection, isPast, isSelected } from './event-selection.ts';

export interface EventReader {
  /** `source` of the envelopes. Asked for once there are events: an empty log has none. */
  source(): Promise<string>;
  /** Of the token that asks. */
  readonly scope: Scope;
}

/**
 * Batches as server-sent events, `id` being the position. Where a batch has nothing for the reader its checkpoint is sent
 * alone, which moves the reader's Last-Event-ID without an event; `event` is the bare name, for `addEventListener`; and where nothing comes for `silence` milliseconds a
 * comment, so that nobody on the way takes the connection for dead. Source: HTML standard, server-sent events.
 */
export async function* serverSentEvents(
  batches: AsyncIterable<Batch>,
  selection: EventSelection,
  reader: EventReader,
  runtime: Pick<Runtime, 'clock' | 'timers'>,
  silence: number,
): AsyncGenerator<string> {
  yield ': drover events\nretry: 2000\n\n';
  for await (const batch of withSilence(batches, runtime, silence)) {
    if (batch === 'silent') {
      yield ':\n\n';
      continue;
    }
    const source = batch.events.length === 0 ? '' : await reader.source();
    let text = '';
    let last: string | undefined;
    for (const event of batch.events) {
      if (!isSelected(selection, event)) continue;
      last = event.position;
      text += `id: ${event.position}\nevent: ${event.type}\ndata: ${JSON.stringify(envelopeOf(event, source, reader.scope))}\n\n`;
    }
    if (last !== batch.checkpoint) text += `id: ${batch.checkpoint}\n\n`;
    yield text;
    if (isPast(selection, batch.checkpoint)) return;
  }
}

/** Batches as lines of JSON. */
export async function* eventLines(
  batches: AsyncIterable<Batch>,
  selection: EventSelection,
  reader: EventReader,
): AsyncGenerator<string> {
  for await (const { events, checkpoint } of batches) {
    const source = events.length === 0 ? '' : await reader.source();
    let text = '';
    for (const event of events)
      if (isSelected(selection, event)) text += `${JSON.stringify(envelopeOf(event, source, reader.scope))}\n`;
    if (text !== '') yield text;
    if (isPast(selection, checkpoint)) return;
  }
}

async function* withSilence<Value>(
  source: AsyncIterable<Value>,
  { timers }: Pick<Runtime, 'timers'>,
  silence: number,
): AsyncGenerator<Value | 'silent'> {
  const values = source[Symbol.asyncIterator]();
  try {
    let next = values.next();
    while (true) {
      const alarm = Promise.withResolvers<'silent'>();
      const timer = timers.after(silence, () => alarm.resolve('silent'));
      const result = await Promise.race([next, alarm.promise]).finally(() => timer[Symbol.dispose]());
      if (result === 'silent') {
        yield result;
        continue;
      }
      if (result.done === true) return;
      yield result.value;
      next = values.next();
    }
  } finally {
    await values.return?.();
  }
}
