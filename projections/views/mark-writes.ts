import type { Tables } from './tables.ts';

/** Most events from one mark to the next: who reads on from a mark reads no more. It is some milliseconds of reading, on any engine. */
export const eventsPerMark = 256;
/**
 * Longest time from one mark to the next but for a pause, whose first event is a mark: an engine's log may hold other things than events, which
 * come with time, as the lease of a writer does, and are read as well.
 */
export const msPerMark = 60_000;

const lastMark = `
SELECT m.events, k.number, k.at
FROM meta AS m LEFT JOIN marks AS k ON k.seq = (SELECT max(seq) FROM marks) WHERE m.one = 1`;
const addMark = 'INSERT INTO marks (number, position, at) VALUES (?1, ?2, ?3)';
const setEvents = 'UPDATE meta SET events = ?1 WHERE one = 1';

/** What a batch of events changes in the marks, which are a function of the events and their order alone (I3). */
export interface MarkBatch {
  /**
   * The next event of the log, of whatever type.
   *
   * @param at when it was stored, milliseconds since the Unix epoch.
   */
  add(position: string, at: number): void;
  end(): void;
}

/**
 * Marks the first event of the log, and each that comes {@link eventsPerMark} events after the last mark, or whose time is {@link msPerMark} or
 * more from that one's, in either direction.
 */
export function createMarkBatch(tables: Tables): MarkBatch {
  const row = tables.get(lastMark, []);
  let events = Number(row?.events ?? 0);
  let last = row?.number == null ? undefined : { number: Number(row.number), at: Number(row.at) };
  return {
    add(position, at) {
      events++;
      if (last !== undefined && events - last.number < eventsPerMark && Math.abs(at - last.at) < msPerMark) return;
      tables.run(addMark, [events, position, at]);
      last = { number: events, at };
    },
    end() {
      tables.run(setEvents, [events]);
    },
  };
}
