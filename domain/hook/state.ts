import type * as z from 'zod';
import { type HookDefinition, type HookPlace, parseEventId } from './definition.ts';
import type { HookEvent, heldStream } from './events.ts';

/** The first event of a stream that is not settled, and how it stands with it. */
export interface Held extends Omit<z.infer<typeof heldStream>, 'stream'> {
  readonly parked: boolean;
}

/** What a hook's events add up to. */
export interface HookState {
  readonly status: 'none' | 'active' | 'paused' | 'removed';
  readonly source: 'api' | 'config';
  readonly definition: HookDefinition | undefined;
  /** Every event up to here is settled (delivered, skipped, or none of the hook's), but those of {@link held} streams. */
  readonly place: HookPlace;
  readonly held: ReadonlyMap<string, Held>;
  /** Why it is paused. */
  readonly reason: string | undefined;
  /** Deliveries that succeeded, as far as they are written down. */
  readonly delivered: number;
  /** Whether one that succeeded since its place was set, or its target became another, is written down. */
  readonly begun: boolean;
  /** How often its place was set: whoever delivers starts anew then. */
  readonly placed: number;
}

export const initialHook: HookState = {
  status: 'none',
  source: 'api',
  definition: undefined,
  place: {},
  held: new Map(),
  reason: undefined,
  delivered: 0,
  begun: false,
  placed: 0,
};

export function evolveHook(state: HookState, event: HookEvent): HookState {
  switch (event.type) {
    case 'HookAdded': {
      const { definition, from, source } = event.data;
      const active = { ...defined(state, definition), status: 'active', reason: undefined, source } as const;
      return from === undefined
        ? active
        : { ...active, place: from, held: new Map(), begun: false, placed: state.placed + 1 };
    }
    case 'HookChanged':
      return { ...defined(state, event.data.definition), source: event.data.source };
    case 'HookPaused':
      return { ...state, status: 'paused', reason: event.data.reason };
    case 'HookResumed':
      return { ...state, status: 'active', reason: undefined };
    case 'HookRemoved':
      return { ...state, status: 'removed', reason: event.data.reason };
    case 'HookCheckpointed': {
      const { through, held: changed, released, delivered } = event.data;
      const held = new Map(state.held);
      for (const stream of released ?? []) held.delete(stream);
      for (const { stream, ...rest } of changed ?? []) {
        const before = held.get(stream);
        held.set(stream, { ...rest, parked: before?.revision === rest.revision && before.parked });
      }
      const place = through === undefined ? state.place : { after: through };
      return { ...state, place, held, delivered: state.delivered + delivered, begun: state.begun || delivered > 0 };
    }
    case 'HookParked': {
      const { event: id, at, attempts, error } = event.data;
      const { stream, revision } = parseEventId(id);
      return { ...state, held: new Map(state.held).set(stream, { revision, at, attempts, error, parked: true }) };
    }
    case 'HookRetried':
      return holding(state, event.data.events, (held, revision) => (held.revision === revision ? fresh(held) : held));
    case 'HookSkipped':
      return holding(state, event.data.events, (held, revision) =>
        held.revision === revision ? { ...fresh(held), revision: revision + 1 } : held,
      );
    case 'HookReplayed': {
      const kept = new Set(event.data.kept);
      const held = new Map([...state.held].filter(([stream]) => kept.has(stream)));
      return { ...state, place: event.data.from, held, begun: false, placed: state.placed + 1 };
    }
    default:
      return state;
  }
}

function defined(state: HookState, definition: HookDefinition): HookState {
  const isSame = JSON.stringify(state.definition?.target) === JSON.stringify(definition.target);
  return { ...state, definition, begun: state.begun && isSame };
}

/** The next delivery is the first one again. */
function fresh({ revision, at }: Held): Held {
  return { revision, at, attempts: 0, parked: false };
}

function holding(
  state: HookState,
  events: readonly string[],
  change: (held: Held, revision: number) => Held,
): HookState {
  const held = new Map(state.held);
  for (const id of events) {
    const { stream, revision } = parseEventId(id);
    const before = held.get(stream);
    if (before) held.set(stream, change(before, revision));
  }
  return { ...state, held };
}

/** Ids of the events that wait for an operator. */
export function parkedEvents({ held }: HookState): string[] {
  return [...held].filter(([, { parked }]) => parked).map(([stream, { revision }]) => `${stream}@${revision}`);
}
