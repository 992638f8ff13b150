import { type FollowOptions, overConnections } from './connection.ts';
import { DroverProblem } from './errors.ts';
import { type EventData, type Operations, typePrefix } from './generated.ts';
import type { Http, Query } from './http.ts';
import { serverSentEvents } from './server-sent-events.ts';

/** What is the same in every event: an envelope of CloudEvents 1.0, and where it stands in the log. See docs/events.md. */
export type Envelope = Omit<Operations['getEvent']['answer'], 'type' | 'data'>;

export type EventName = keyof EventData;
/** `type` of an event: its name after the prefix that says whose it is, `drover.BuildFailed`. */
export type EventType = TypeOf<EventName>;
type TypeOf<Name extends EventName> = `${typeof typePrefix}${Name}`;
type NameOf<Type> = Type extends EventName ? Type : Type extends TypeOf<infer Name extends EventName> ? Name : never;

/** An event of one type (or name), or of any: `type` tells what `data` is. */
export type DroverEvent<Type extends EventType | EventName = EventType> = {
  readonly [Each in NameOf<Type>]: Envelope & { readonly type: TypeOf<Each>; readonly data: EventData[Each] };
}[NameOf<Type>];

/** The name of an event, by its type: `BuildFailed`. */
export function eventName<Type extends string>(type: Type): Type extends EventType ? NameOf<Type> : string {
  const name = type.startsWith(typePrefix) ? type.slice(typePrefix.length) : type;
  return name as Type extends EventType ? NameOf<Type> : string;
}

/** Where a subscriber's place in the log is kept. */
export interface Checkpoint {
  /** The position that was saved last. */
  load(): Promise<string | undefined>;
  save(position: string): Promise<void>;
}

export interface EventsOptions<Type extends EventType | EventName = EventType> extends FollowOptions {
  /** Position of the last event that is known, `start` for the whole log (that is the default), or `end` for new events only. */
  readonly from?: string;
  /** Events of these types only, `drover.BuildFailed` or in short `BuildFailed`. Without it types that this version does not know come too: pass over what you do not know. */
  readonly types?: readonly Type[];
  /** Streams; one that ends in `-` stands for its category. */
  readonly streams?: readonly string[];
  /** Only what belongs to this submission. */
  readonly correlation?: string;
  /** Only what this token, agent (`agent-NAME`) or part of the coordinator did. */
  readonly actor?: string;
  /** Decided then or later, milliseconds since the Unix epoch. */
  readonly since?: number;
  /** Decided before then. */
  readonly until?: number;
  /** Position of the last event that is wanted: the loop ends there. */
  readonly to?: string;
  /** Whether to go on with new events once all are read; true if absent. */
  readonly follow?: boolean;
  /**
   * Goes before `from` where it has a position. An event's is saved once the loop asks for the next one, at most every second, and when
   * the loop is left: after a crash some events come again, with the same ids, and none is left out.
   */
  readonly checkpoint?: Checkpoint;
}

const saveEvery = 1000;
/** How many ids are remembered to leave out what comes twice. */
const remembered = 1024;

/**
 * Events in the order of the log, from a position on, and then as they happen. A lost connection is made again after the last event, for as
 * long as it takes; an event that comes again is left out.
 *
 * @throws {DroverProblem} for a refusal that waiting does not change
 */
export async function* readEvents<Type extends EventType | EventName>(
  http: Http,
  options: EventsOptions<Type>,
): AsyncGenerator<DroverEvent<Type>, void, undefined> {
  const { to, follow = true, checkpoint } = options;
  const place = await createPlace(checkpoint, options.from === 'start' ? undefined : options.from);
  const seen = new Set<string>();
  const ask = (quiet: AbortSignal): Promise<Response> => {
    const query = { ...selectionOf(options), from: place.position, ...(!follow && { follow }) };
    return http.request('GET', '/v1/events', { query, headers: { accept: 'text/event-stream' }, signal: quiet });
  };
  const isOver = (): boolean => !follow || (to !== undefined && place.position !== undefined && place.position >= to);
  try {
    for await (const { id, data } of overConnections(ask, serverSentEvents, options, isOver)) {
      if (data !== undefined) {
        const event = parse(data, http.url) as DroverEvent<Type>;
        // Of a log that was cut short another one has the id now.
        const key = `${event.id} ${event.time}`;
        if (!seen.has(key)) {
          yield event;
          remember(seen, key);
        }
      }
      // One without data: everything up to there was looked at.
      if (id !== '') await place.advance(id);
    }
  } finally {
    await place.save();
  }
}

/** The parameters of `/v1/events` that say which events, but for where to begin. */
export function selectionOf(options: EventsOptions<EventType | EventName>): Query {
  const { types, streams, correlation, actor, since, until, to } = options;
  return { type: listed(types), stream: listed(streams), correlation, actor, since, until, to };
}

/** A list that names nothing chooses nothing, as if it were not there: the coordinator refuses one. */
const listed = (names: readonly string[] | undefined): string | undefined => names?.join(',') || undefined;

/** What every reader relies on is there. */
function parse(text: string, url: string): unknown {
  try {
    const event = JSON.parse(text) as Readonly<Record<string, unknown>> | null;
    const { id, type, stream, position, data } = event ?? {};
    const isWhole = [id, type, stream, position].every((field) => typeof field === 'string');
    if (isWhole && typeof data === 'object' && data !== null) return event;
  } catch {
    // Not JSON.
  }
  throw new DroverProblem('unexpected-answer', 200, `${url} sent something that is not an event`, {});
}

function remember(seen: Set<string>, id: string): void {
  seen.add(id);
  if (seen.size > remembered) for (const oldest of seen) return void seen.delete(oldest);
}

interface Place {
  readonly position: string | undefined;
  advance(position: string): Promise<void>;
  save(): Promise<void>;
}

async function createPlace(checkpoint: Checkpoint | undefined, from: string | undefined): Promise<Place> {
  let position = (await checkpoint?.load()) ?? from;
  let saved = position;
  let savedAt = performance.now();
  async function save(): Promise<void> {
    if (checkpoint === undefined || position === undefined || position === saved) return;
    await checkpoint.save(position);
    saved = position;
    savedAt = performance.now();
  }
  return {
    get position() {
      return position;
    },
    async advance(next) {
      position = next;
      if (performance.now() - savedAt >= saveEvery) await save();
    },
    save,
  };
}
