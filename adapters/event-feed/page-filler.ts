import { setImmediate as turn } from 'node:timers/promises';
import type { EventStore, Position, StoredEvent } from '../../coordinator/ports/event-store.ts';
import type { Timers } from '../../coordinator/ports/runtime.ts';
import { firstCommit } from '../event-store/first-commit.ts';
import { envelopeText, sourceOf } from '../http/event-envelope.ts';
import { isPast, isSelected, storeFilter } from './event-selection.ts';
import { createEventTail, type Stretch } from './event-tail.ts';
import { type EventView, pageLength } from './event-view.ts';
import type { Filled, PagedView, PageSource } from './pages.ts';

/** Events that are read at a time: few until it is seen that what comes after them is wanted as well. */
const leastAtATime = 64;
const mostAtATime = 512;
/** What has been read and had no room on a page is let go after so many milliseconds, and read again if it is asked for later. */
const keepFor = 1000;
/** Readings for one page: where the view leaves most out, it has to get on nevertheless. */
const mostReadings = 16;
/** For the place at the end of a page of server-sent events. */
const placeLength = 80;

/** Pages of a log, read and written on the thread where this is called, one for each turn of its loop. */
export function createPageFiller(eventStore: Pick<EventStore, 'readAll' | 'subscribe'>, timers: Timers): PageSource {
  let known: string | undefined;
  async function source(): Promise<string> {
    known ??= await firstCommit(eventStore);
    if (known === undefined) throw new Error('an event was read of a log that has none');
    return sourceOf(known);
  }
  const tail = createEventTail({ eventStore, source });
  const spare: Buffer[] = [];

  function open(view: EventView): PagedView {
    const { selection, follow, format, scope } = view;
    // One for all readings: engines keep what they make of it.
    const filter = storeFilter(selection);
    const member = follow ? tail.join() : undefined;
    /** What had no room on a page, and where it begins. Several may be filled at a time: only who reads on from there gets it. */
    let rest:
      | { readonly after: Position | undefined; readonly stretch: Stretch; readonly late: Disposable }
      | undefined;
    /** Where the last reading ended. */
    let readTo: Position | undefined;
    let limit = leastAtATime;
    let isOpen = true;

    /** What comes next in the log; `undefined` at its end. */
    async function read(after: Position | undefined, signal: AbortSignal): Promise<Stretch | undefined> {
      const left = takeRest();
      if (left !== undefined && left.after === after) return left.stretch;
      limit = after !== undefined && after === readTo ? Math.min(mostAtATime, limit * 2) : leastAtATime;
      const batches = eventStore.readAll({
        ...(after !== undefined && { after }),
        ...(filter !== undefined && { filter }),
        limit,
        json: format === 'stored' ? 'beside' : 'instead',
        signal,
      });
      for await (const { events, checkpoint } of batches) {
        const from = events.length === 0 || format === 'stored' ? '' : await source();
        const textOf: Stretch['textOf'] =
          format === 'stored' ? (event) => JSON.stringify(event) : (event) => envelopeText(event, from, scope);
        readTo = checkpoint;
        return { events, textOf, checkpoint };
      }
      return undefined;
    }

    function takeRest(): typeof rest {
      const taken = rest;
      rest = undefined;
      taken?.late[Symbol.dispose]();
      return taken;
    }

    function keepRest({ events, textOf, checkpoint }: Stretch, taken: number, after: Position | undefined): void {
      takeRest();
      if (!isOpen) return;
      rest = {
        after,
        stretch: { events: events.slice(taken), textOf, checkpoint },
        late: timers.after(keepFor, () => void takeRest()),
      };
    }

    return {
      async fill({ after, into, wait, signal }) {
        // Others come first: what has been written may be taken at once, and the next page asked for.
        await turn();
        let own: Buffer | undefined;
        let sheet: Sheet | undefined;
        let place = after;
        let readings = 0;

        function done(more: boolean): Filled {
          if (sheet === undefined) return { length: 0, place, more };
          const { length, bytes } = sheet.end(place);
          if (own === undefined || bytes !== undefined) return { length, bytes, place, more };
          return { length, bytes: new Uint8Array(own.subarray(0, length)), place, more };
        }

        try {
          while (!signal.aborted) {
            const following = member?.since(place);
            const stretch = following ?? (await next());
            if (stretch === undefined) {
              if (member === undefined) return done(false);
              continue;
            }
            if (following !== undefined && following.checkpoint === place) {
              if (place !== after || !wait) return done(false);
              await member?.more(signal);
              continue;
            }
            if (into === undefined) own ??= spare.pop() ?? Buffer.allocUnsafeSlow(pageLength);
            sheet ??= createSheet(into ?? (own as Buffer), format);
            const { isFull, taken, reached } = writeTo(sheet, stretch, view, place);
            place = reached;
            if (isFull && following === undefined) keepRest(stretch, taken, place);
            if (isFull) return done(!isDone(place));
            if (following !== undefined || isDone(place)) return done(false);
            if (++readings === mostReadings) return done(true);
          }
          return done(false);
        } finally {
          if (own !== undefined && spare.length < 4) spare.push(own);
        }

        async function next(): Promise<Stretch | undefined> {
          // Known before the log is read, or something could happen in between.
          const begins = member?.begins;
          const found = await read(place, signal);
          if (found !== undefined || member === undefined) return found;
          if (begins === undefined) await member.more(signal);
          // Nothing had happened between it and the beginning of the tail.
          else if ((place ?? '') < begins) place = begins;
          return undefined;
        }
      },
      [Symbol.dispose]() {
        isOpen = false;
        takeRest();
        member?.[Symbol.dispose]();
      },
    };

    function isDone(place: Position | undefined): boolean {
      return place !== undefined && isPast(selection, place);
    }
  }

  return { open, [Symbol.asyncDispose]: async () => undefined };
}

/** Writes what the view shows of a stretch, up to where the sheet is full. */
function writeTo(
  sheet: Sheet,
  { events, textOf, checkpoint }: Stretch,
  { selection, scope }: EventView,
  after: Position | undefined,
): { readonly isFull: boolean; readonly taken: number; readonly reached: Position | undefined } {
  let reached = after;
  let taken = 0;
  for (const event of events) {
    if (isSelected(selection, event)) {
      if (!sheet.write(event, textOf(event, taken, scope))) return { isFull: true, taken, reached };
      if (sheet.bytes !== undefined) return { isFull: true, taken: taken + 1, reached: event.position };
    }
    taken++;
    reached = event.position;
  }
  const { to } = selection;
  // What is beyond the end of the view was not shown to its reader: it may go on from there.
  return { isFull: false, taken, reached: to !== undefined && checkpoint > to ? to : checkpoint };
}

/** Memory that is written to, from its beginning. */
interface Sheet {
  /** Of an event that is larger than the sheet. */
  readonly bytes: Uint8Array | undefined;
  /** False where it does not fit any more. */
  write(event: StoredEvent, text: string): boolean;
  /** Everything up to the place is in it. */
  end(place: Position | undefined): { readonly length: number; readonly bytes: Uint8Array | undefined };
}

/** As server-sent events `id` is the position, and `event` the bare name, for `addEventListener`. Source: HTML standard, server-sent events. */
function createSheet(buffer: Buffer, format: EventView['format']): Sheet {
  const isSse = format === 'server-sent-events';
  const size = buffer.length - (isSse ? placeLength : 0);
  let length = 0;
  let bytes: Uint8Array | undefined;
  let last: Position | undefined;
  return {
    get bytes() {
      return bytes;
    },
    write(event, text) {
      const line = isSse ? `id: ${event.position}\nevent: ${event.type}\ndata: ${text}\n\n` : `${text}\n`;
      const room = size - length;
      // No character takes more than three bytes.
      if (line.length * 3 > room && Buffer.byteLength(line) > room) {
        if (length > 0) return false;
        bytes = new TextEncoder().encode(line);
      } else length += buffer.write(line, length);
      last = event.position;
      return true;
    },
    end(place) {
      // Where there was nothing for the reader the place is sent alone, which moves its Last-Event-ID.
      if (isSse && bytes === undefined && place !== undefined && last !== place)
        length += buffer.write(`id: ${place}\n\n`, length);
      return { length, bytes };
    },
  };
}
