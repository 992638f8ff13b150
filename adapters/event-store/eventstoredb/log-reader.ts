import { BACKWARDS, END, FORWARDS, START } from '@eventstore/db-client';
import type { Position, Revision, StoredEvent } from '../../../coordinator/ports/event-store.ts';
import { type Connection, drain, type Link } from './connection.ts';
import { isStreamNotFound } from './errors.ts';
import { formatLogPosition, later, logStart, parseLogPosition } from './position.ts';
import { decodeRecord, type ServerRecord, streamName } from './record.ts';

export interface Page {
  /** Events of our log among the records read. */
  readonly events: readonly StoredEvent[];
  /** Position of the last record read, ours or not. */
  readonly upTo: Position;
  /** True if the log had no more. */
  readonly end: boolean;
}

/** Plain reads of the server, each tried once: who calls them tries again. */
export interface LogReader {
  /** Up to `count` records of the whole log after `after`. */
  page(link: Link, after: Position, count: number): Promise<Page>;
  /**
   * The last event of the log whose commit is whole, `known` if there is none after `looked`; and the last record, ours or not, behind which nothing new
   * can come. Does not look behind `looked`.
   */
  head(link: Link, known: Position, looked?: Position): Promise<{ readonly head: Position; readonly looked: Position }>;
  /** Records of a stream from revision `from` on, nothing if there is no such stream. */
  stream(
    link: Link,
    stream: string,
    options: { from?: Revision | undefined; count?: number | undefined; backward?: boolean | undefined },
  ): AsyncGenerator<ServerRecord>;
}

/** The leader alone has everything that was acknowledged. */
const fromLeader = { requiresLeader: true };

export function createLogReader(connection: Connection, log: string): LogReader {
  async function* all(
    link: Link,
    from: Position | 'end',
    count: number,
  ): AsyncGenerator<ServerRecord & { position: object }> {
    const backward = from === 'end' || undefined;
    const fromPosition = from === 'end' ? END : from === logStart ? START : parseLogPosition(from);
    const reading = link.client.readAll({
      ...fromLeader,
      maxCount: count,
      direction: backward ? BACKWARDS : FORWARDS,
      fromPosition,
    });
    for await (const { event } of drain(reading, AbortSignal.any([link.gone, connection.closing]))) {
      if (event) yield event as ServerRecord & { position: object };
    }
  }

  return {
    async page(link, after, count) {
      const events: StoredEvent[] = [];
      let upTo = after;
      let seen = 0;
      // Reading forward starts with the record at the position itself.
      for await (const record of all(link, after, count + 1)) {
        seen++;
        if (!record.position) continue;
        const position = formatLogPosition(record.position);
        if (position <= after) continue;
        upTo = position;
        const found = decodeRecord(record, log);
        if (found) events.push(found.event);
      }
      return { events, upTo, end: seen <= count };
    },
    async head(link, known, looked = known) {
      // Few of the records at the end are not ours, as a rule; more on every round, because there may be many.
      for (let count = 16; ; count *= 8) {
        let seen = 0;
        let newest = looked;
        for await (const record of all(link, 'end', count)) {
          seen++;
          if (!record.position) continue;
          const position = formatLogPosition(record.position);
          newest = later(newest, position);
          if (position <= looked) return { head: known, looked: newest };
          const found = decodeRecord(record, log);
          if (found?.last) return { head: found.event.position, looked: newest };
        }
        if (seen < count) return { head: known, looked: newest };
      }
    },
    async *stream(link, stream, { from, count = Number.MAX_SAFE_INTEGER, backward = false }) {
      const reading = link.client.readStream(streamName(log, stream), {
        ...fromLeader,
        maxCount: count,
        direction: backward ? BACKWARDS : FORWARDS,
        fromRevision: from === undefined ? (backward ? END : START) : BigInt(from),
      });
      try {
        for await (const { event } of drain(reading, AbortSignal.any([link.gone, connection.closing]))) {
          if (event) yield event as ServerRecord;
        }
      } catch (error) {
        if (!isStreamNotFound(error)) throw error;
      }
    },
  };
}
