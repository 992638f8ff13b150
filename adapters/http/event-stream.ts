import type { EventStore, Filter, Position } from '../../coordinator/ports/event-store.ts';
import type { Runtime } from '../../coordinator/ports/runtime.ts';
import type { Scope } from '../../domain/token/events.ts';
import { envelopeText } from './event-envelope.ts';
import { type EventSelection, isPast, isSelected, storeFilter } from './event-selection.ts';
import type { EventTail, Stretch } from './event-tail.ts';
import { createPacer, type Piece, pieceLength } from './pieces.ts';

/** What one reader asked for. */
export interface EventWish {
  readonly selection: EventSelection;
  /** Position of the last event that it knows. */
  readonly after: Position | undefined;
  /** Whether it wants to go on with what happens. */
  readonly live: boolean;
  readonly format: 'server-sent-events' | 'lines';
  /** Of the token that asks. */
  readonly scope: Scope;
  readonly signal: AbortSignal;
}

export interface EventSource {
  readonly eventStore: Pick<EventStore, 'readAll' | 'head'>;
  readonly tail: EventTail;
  /** `source` of the envelopes. Asked for once there are events: an empty log has none. */
  source(): Promise<string>;
  readonly timers: Runtime['timers'];
  /** A comment goes to a reader for which there was nothing for so many milliseconds. */
  readonly silence: number;
  /** Aborts when the server starts to close. */
  readonly closing: AbortSignal;
}

/**
 * Events for one reader, at its own pace, as text. As server-sent events `id` is the position, and `event` the bare name, for
 * `addEventListener`; where there was nothing for the reader the place is sent alone, which moves its Last-Event-ID, and where nothing
 * comes for a while a comment, so that nobody on the way takes the connection for dead. As lines, an envelope each.
 * Source: HTML standard, server-sent events.
 */
export async function* eventText(wish: EventWish, from: EventSource): AsyncGenerator<string> {
  const { selection, live, signal } = wish;
  const isSse = wish.format === 'server-sent-events';
  using member = live ? from.tail.join() : undefined;
  const head = live ? undefined : await from.eventStore.head();
  // One for all readings: engines keep what they make of it.
  const filter = storeFilter(selection);
  const pacer = createPacer(from.timers);
  let place = wish.after;
  let told = false;
  if (isSse) yield ': drover events\nretry: 2000\n\n';
  while (!signal.aborted) {
    if (!live && (head === undefined || (place !== undefined && place >= head))) return;
    let stretch = member?.since(place);
    if (stretch === undefined) {
      const begins = member?.begins;
      stretch = await readStretch(wish, from, filter, place, pacer.limit);
      // Nothing had happened between it and the beginning of the tail, which was known before.
      if (stretch === undefined && begins !== undefined && (place ?? '') < begins) place = begins;
      if (stretch === undefined && (begins !== undefined || !live)) continue;
    }
    if (stretch === undefined || (stretch.checkpoint === place && told)) {
      if ((await moreOf(member, from.silence, signal)) === 'silent' && isSse) yield ':\n\n';
      continue;
    }
    const pieces = inPieces(stretch, wish);
    stretch = undefined;
    place = (yield* pacer.give(pieces)) ?? place;
    told = true;
    if (place !== undefined && isPast(selection, place)) return;
  }
  // An end that looks like one would pass for the end of the log.
  if (!live && from.closing.aborted) throw new Error('the coordinator is stopping');
}

async function moreOf(
  member: { more(silence: number, signal: AbortSignal): Promise<'more' | 'silent'> } | undefined,
  silence: number,
  signal: AbortSignal,
): Promise<'more' | 'silent'> {
  return (await member?.more(silence, signal)) ?? 'more';
}

/** What comes next in the log; `undefined` at its end. */
async function readStretch(
  { scope, signal }: EventWish,
  { eventStore, source }: EventSource,
  filter: Filter | undefined,
  after: Position | undefined,
  limit: number,
): Promise<Stretch | undefined> {
  const options: Parameters<EventStore['readAll']>[0] = {
    ...(after !== undefined && { after }),
    ...(filter !== undefined && { filter }),
    limit,
    json: 'instead',
    signal,
  };
  for await (const { events, checkpoint } of eventStore.readAll(options)) {
    const from = events.length === 0 ? '' : await source();
    const written = events.map((event) => ({ event, textFor: () => envelopeText(event, from, scope) }));
    return { events: written, checkpoint };
  }
  return undefined;
}

function inPieces({ events, checkpoint }: Stretch, { selection, scope, format }: EventWish): Piece[] {
  const isSse = format === 'server-sent-events';
  const pieces: Piece[] = [];
  let text = '';
  let last: Position | undefined;
  for (const { event, textFor } of events) {
    if (!isSelected(selection, event)) continue;
    last = event.position;
    text += isSse ? `id: ${event.position}\nevent: ${event.type}\ndata: ${textFor(scope)}\n\n` : `${textFor(scope)}\n`;
    if (text.length < pieceLength) continue;
    pieces.push({ text, place: event.position });
    text = '';
  }
  if (isSse && last !== checkpoint) text += `id: ${checkpoint}\n\n`;
  pieces.push({ text, place: checkpoint });
  return pieces;
}
