import type { EventStore, Revision, StreamId } from '../ports/event-store.ts';

/** Revision of the last event of a stream, as the log has it; `none` where there is none. */
export async function lastRevision(log: Pick<EventStore, 'read'>, stream: StreamId): Promise<Revision | 'none'> {
  for await (const { revision } of log.read(stream, { backward: true, limit: 1 })) return revision;
  return 'none';
}
