import type { EventStore } from '../ports/event-store.ts';
import type { LogMark } from '../ports/log-mark.ts';

/** Whether an event is in the log, and at the same position: a copy on another server of the same engine has it elsewhere. */
export async function isInLog(store: Pick<EventStore, 'read'>, mark: LogMark): Promise<boolean> {
  for await (const event of store.read(mark.stream, { from: mark.revision, limit: 1 }))
    return event.revision === mark.revision && event.commit === mark.commit && event.position === mark.position;
  return false;
}
