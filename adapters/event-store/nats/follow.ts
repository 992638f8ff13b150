import type { Batch, Filter, Position, StoredEvent } from '../../../coordinator/ports/event-store.ts';
import { decodeMessage, storedEvents } from './commit-message.ts';
import type { Connection } from './connection.ts';
import { createPuller } from './puller.ts';
import { beginning, formatPlace, type Place, parsePlace } from './subject.ts';

export interface FollowOptions {
  readonly connection: Connection;
  readonly log: string;
  readonly after: Position | undefined;
  readonly filter: Filter | undefined;
  /** Whether events come with the text of their data as it is stored. */
  readonly exact?: boolean | undefined;
  /** Messages to ask for at first: see the puller. */
  readonly few?: number;
  readonly signal: AbortSignal;
}

function passes({ type, stream }: StoredEvent, filter: Filter | undefined): boolean {
  if (filter?.types && !filter.types.includes(type)) return false;
  return filter?.streams?.some((prefix) => stream.startsWith(prefix)) ?? true;
}

/** Messages that are asked for beyond the events that are wanted: the one that `after` points into, and what writers say of themselves. */
const spare = 16;
/** Events per batch, about. */
const batchSize = 2000;

/**
 * `subscribe` of the port. Begins with the message that `after` points into: what it holds beyond is still to come, and it says whether
 * anything is behind it.
 */
export async function* follow({
  connection,
  log,
  after,
  filter,
  exact,
  few,
  signal,
}: FollowOptions): AsyncGenerator<Batch> {
  if (signal.aborted) return;
  const start: Place = parsePlace(after ?? beginning);
  let checkpoint = after ?? beginning;
  let toldLive = false;
  await using puller = createPuller(connection, {
    stream: log,
    from: start.sequence,
    ...(few !== undefined && { few }),
    signal,
  });
  while (!signal.aborted) {
    const { messages, live } = await puller.take();
    if (signal.aborted) return;
    let events: StoredEvent[] = [];
    let seen = 0;
    for (const [at, raw] of messages.entries()) {
      const message = decodeMessage(raw);
      // What writers say of themselves is no place in the log: nobody is to be further than its last event.
      if (message.kind !== 'commit') continue;
      const { sequence } = message;
      let index = 0;
      for (const event of storedEvents(message, exact ? raw : undefined)) {
        if ((sequence > start.sequence || index > start.index) && passes(event, filter)) events.push(event);
        index++;
      }
      seen += message.events.length;
      const place = formatPlace(sequence, index - 1);
      if (place > checkpoint) checkpoint = place;
      if (seen >= batchSize && at < messages.length - 1) {
        yield { events, checkpoint, live: false };
        events = [];
        seen = 0;
        if (signal.aborted) return;
      }
    }
    if (events.length === 0 && live && toldLive && messages.every(({ sequence }) => sequence <= start.sequence))
      continue;
    toldLive ||= live;
    yield { events, checkpoint, live };
  }
}

/** `readAll` of the port: the same, up to `head`. */
export async function* replay(
  options: Omit<FollowOptions, 'signal'> & {
    head: Promise<Position | undefined> | Position | undefined;
    limit: number;
    signal: AbortSignal;
  },
): AsyncGenerator<Batch> {
  const head = await options.head;
  let left = options.limit;
  if (head === undefined || left <= 0 || (options.after ?? beginning) >= head) return;
  for await (const batch of follow({ ...options, few: left + spare })) {
    let { events, checkpoint } = batch;
    if (checkpoint > head) {
      events = events.filter(({ position }) => position <= head);
      checkpoint = head;
    }
    if (events.length >= left) {
      events = events.slice(0, left);
      checkpoint = events.at(-1)?.position ?? checkpoint;
    }
    left -= events.length;
    const live = checkpoint >= head;
    // Where `after` is the end of a commit, its message comes first and says nothing new.
    if (events.length > 0 || checkpoint > (options.after ?? beginning)) yield { events, checkpoint, live };
    if (live || left <= 0) return;
  }
}
