import { eventTypeFilter, START } from '@eventstore/db-client';
import type { Position, StoredEvent } from '../../../coordinator/ports/event-store.ts';
import { type Connection, drain } from './connection.ts';
import { formatLogPosition, later, logStart, parseLogPosition } from './position.ts';
import { decodeRecord, leaseTypePrefix, type ServerRecord } from './record.ts';

/** What comes new into the log, from one subscription for all readers of this store. */
export interface Feed {
  /** Position of the last event that has come, always the end of a commit. */
  readonly head: Position;
  /** Starts with what comes after `after`; only the first call counts. */
  start(after: Position): void;
  /** The events after `after`, `undefined` if some of them are no longer kept. */
  take(after: Position): StoredEvent[] | undefined;
  /** Resolves once {@link head} is beyond `position`, or `signal` aborts, or the store is closed. */
  beyond(position: Position, signal: AbortSignal): Promise<void>;
}

/** Events kept for the readers; who is further behind reads from the server. */
const kept = 1024;

export function createFeed(connection: Connection, log: string): Feed {
  const events: StoredEvent[] = [];
  /** All events after this one are in `events`. */
  let oldest = logStart;
  let head = logStart;
  let started = false;
  const waiting = new Set<() => void>();

  /** The server leaves out system events (`$…`, links among them) and the lease's. */
  const regex = `^(?!\\$|${leaseTypePrefix})`;

  async function follow(): Promise<void> {
    /** Where a new subscription goes on: before a commit of which only a part has come. */
    let resume = head;
    for (let tries = 0; ; tries++) {
      const link = await connection.link();
      let part: StoredEvent[] = [];
      try {
        const subscription = link.client.subscribeToAll({
          requiresLeader: true,
          fromPosition: resume === logStart ? START : parseLogPosition(resume),
          filter: eventTypeFilter({
            regex,
            checkpointReached: (_, position) => {
              if (part.length === 0) resume = later(resume, formatLogPosition(position));
            },
          }),
        });
        subscription.on('confirmation', () => {
          connection.worked();
          tries = 0;
        });
        for await (const { event } of drain(subscription, AbortSignal.any([link.gone, connection.closing]))) {
          const found = decodeRecord(event as ServerRecord | undefined, log);
          if (!found || found.event.position <= head) continue;
          part.push(found.event);
          if (!found.last) continue;
          resume = later(resume, found.event.position);
          push(part);
          part = [];
        }
        throw new Error('the server ended the subscription');
      } catch (error) {
        await connection.failed(link, error, tries);
      }
    }
  }

  function push(commit: readonly StoredEvent[]): void {
    for (const event of commit) events.push(event);
    head = commit.at(-1)?.position ?? head;
    // Cut rarely: moving the rest to the front costs.
    if (events.length > 2 * kept) oldest = events.splice(0, events.length - kept).at(-1)?.position ?? oldest;
    for (const wake of waiting) wake();
  }

  return {
    get head() {
      return head;
    },
    start(after) {
      if (started) return;
      started = true;
      head = after;
      oldest = after;
      // Ends only with `closed`, when everybody who waits has been woken by the signal.
      follow().catch(() => {});
    },
    take(after) {
      if (after < oldest) return undefined;
      let at = events.length;
      while (at > 0 && (events[at - 1] as StoredEvent).position > after) at--;
      // Readers may do with their events what they like.
      return events.slice(at).map((event) => ({ ...event, data: structuredClone(event.data) }));
    },
    beyond(position, signal) {
      const end = AbortSignal.any([signal, connection.closing]);
      return new Promise((resolve) => {
        function wake() {
          if (head <= position && !end.aborted) return;
          waiting.delete(wake);
          end.removeEventListener('abort', wake);
          resolve();
        }
        waiting.add(wake);
        end.addEventListener('abort', wake);
        wake();
      });
    },
  };
}
