import type { EventStore } from '../../coordinator/ports/event-store.ts';

/**
 * Id of the log's first commit, `undefined` while the log is empty. It is random, and stays when the log is copied to another engine: so
 * it is by this that a log is known.
 */
export async function firstCommit(store: Pick<EventStore, 'readAll'>): Promise<string | undefined> {
  for await (const { events } of store.readAll({ limit: 1 })) for (const { commit } of events) return commit;
  return undefined;
}
