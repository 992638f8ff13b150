import type { Farm } from './farm.ts';
import { type ThingCategory, type ThingKind, type ThingState, thingKinds, thingName, thingState } from './things.ts';

/** An event as it is told of: what a stored one says of itself. */
export interface ToldEvent {
  readonly stream: string;
  readonly revision: number;
  readonly position: string;
  readonly type: string;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  readonly data: unknown;
  readonly meta: { readonly actor: string };
}

/** Who did something: a token, an agent, or a part of the coordinator. */
export interface Actor {
  /** As events have it. */
  readonly id: string;
  readonly kind: 'token' | 'agent' | 'system';
  /** Of a token or an agent. */
  readonly name?: string;
}

/** A thing that is not at one moment what it was at another. */
export interface Change {
  /** Of its stream, without the category. */
  readonly id: string;
  readonly name: string;
  /** `null`: it was not there. */
  readonly from: ThingState | null;
  readonly to: ThingState | null;
  /** The event that made it what it is: id, type, when it happened in milliseconds since the Unix epoch, and who did it. */
  readonly event: string;
  readonly type: string;
  readonly at: number;
  readonly by: Actor;
  /** What the event says of the reason, if it does. */
  readonly why?: string;
}

/** All changes of one kind, the first of them by name. */
export interface ChangesOfKind {
  readonly total: number;
  /** How many went from one state to another. */
  readonly counts: readonly { readonly from: string | null; readonly to: string | null; readonly count: number }[];
  /** In the order of the events that made them what they are. */
  readonly rows: readonly Change[];
}

/** What one actor did: its events by type, most first. */
export interface Doing {
  readonly by: Actor;
  readonly events: number;
  readonly types: Readonly<Record<string, number>>;
}

/** What is not the same at two moments, and what was done in between. */
export type Changes = Readonly<Record<ThingKind, ChangesOfKind>> & {
  /** Events between the two. */
  readonly events: number;
  /** Derivations that were not known before. */
  readonly derivations: number;
  readonly actors: { readonly total: number; readonly rows: readonly Doing[] };
};

export interface ChangeCollector {
  /** The next event. `fold` has the farm fold it. */
  event(event: ToldEvent, fold: () => void): void;
  /** @param limit rows of each list. */
  result(limit: number): Changes;
}

interface Touched {
  readonly category: ThingCategory;
  readonly id: string;
  readonly from: ThingState | undefined;
  readonly fromText: string;
  to: ThingState | undefined;
  toText: string;
  /** The last event that changed it. */
  cause: Pick<Change, 'event' | 'type' | 'at' | 'why'> & { readonly actor: string };
}

/**
 * Collects what becomes of a farm from where it is, event by event: it costs what the events cost, and holds no more than what they
 * touch.
 */
export function collectChanges(farm: Farm): ChangeCollector {
  /** In the order of the last change, by stream. */
  const touched = new Map<string, Touched>();
  const doings = new Map<string, { events: number; types: Map<string, number> }>();
  const derivations = farm.graph.derivations;
  let events = 0;

  function count({ meta: { actor }, type }: ToldEvent): void {
    events++;
    let doing = doings.get(actor);
    if (!doing) {
      doing = { events: 0, types: new Map() };
      doings.set(actor, doing);
    }
    doing.events++;
    doing.types.set(type, (doing.types.get(type) ?? 0) + 1);
  }

  function actorOf(id: string): Actor {
    if (id.startsWith('agent-')) return { id, kind: 'agent', name: id.slice('agent-'.length) };
    const token = farm.tokens.get(id);
    return token === undefined ? { id, kind: 'system' } : { id, kind: 'token', name: token.name };
  }

  function changeOf({ category, id, from, to, cause: { actor, ...cause } }: Touched): Change {
    const name = thingName(farm, category, id);
    return { id, name, from: from ?? null, to: to ?? null, ...cause, by: actorOf(actor) };
  }

  function ofKind(all: readonly Touched[], category: ThingCategory, limit: number): ChangesOfKind {
    const changed = all.filter((one) => one.category === category);
    const counts = new Map<string, ChangesOfKind['counts'][number]>();
    for (const { from, to } of changed) {
      const pair = { from: from?.state ?? null, to: to?.state ?? null };
      const key = `${pair.from} ${pair.to}`;
      counts.set(key, { ...pair, count: (counts.get(key)?.count ?? 0) + 1 });
    }
    return {
      total: changed.length,
      counts: [...counts.values()].sort((a, b) => b.count - a.count),
      rows: changed.slice(0, limit).map(changeOf),
    };
  }

  return {
    event(event, fold) {
      count(event);
      const { stream } = event;
      const dash = stream.indexOf('-');
      const [category, id] = [stream.slice(0, dash) as ThingCategory, stream.slice(dash + 1)];
      if (!(category in thingKinds)) return fold();
      const known = touched.get(stream);
      const before = known?.to ?? (known ? undefined : thingState(farm, category, id));
      const beforeText = known?.toText ?? textOf(before);
      fold();
      const to = thingState(farm, category, id);
      const toText = textOf(to);
      if (toText === beforeText) return;
      const { from, fromText } = known ?? { from: before, fromText: beforeText };
      // Taken out first, so that what changed last is last.
      touched.delete(stream);
      touched.set(stream, { category, id, from, fromText, to, toText, cause: causeOf(event) });
    },
    result(limit) {
      const changed = [...touched.values()].filter(({ fromText, toText }) => fromText !== toText);
      const kinds = Object.entries(thingKinds) as [ThingCategory, ThingKind][];
      const actors = [...doings].sort(([, a], [, b]) => b.events - a.events);
      return {
        events,
        derivations: farm.graph.derivations - derivations,
        ...(Object.fromEntries(kinds.map(([category, kind]) => [kind, ofKind(changed, category, limit)])) as Record<
          ThingKind,
          ChangesOfKind
        >),
        actors: {
          total: actors.length,
          rows: actors.slice(0, limit).map(([id, { events: all, types }]) => ({
            by: actorOf(id),
            events: all,
            types: Object.fromEntries([...types].sort(([, a], [, b]) => b - a)),
          })),
        },
      };
    },
  };
}

function textOf(state: ThingState | undefined): string {
  return state === undefined ? '' : JSON.stringify(state);
}

function causeOf({ stream, revision, type, at, data, meta: { actor } }: ToldEvent): Touched['cause'] {
  const why = whyOf(data as { class?: unknown; message?: unknown; reason?: unknown });
  return { event: `${stream}@${revision}`, type, at, ...(why !== undefined && { why }), actor };
}

function whyOf({ class: failure, message, reason }: { class?: unknown; message?: unknown; reason?: unknown }) {
  if (typeof failure === 'string') return typeof message === 'string' ? `${failure}: ${message}` : failure;
  return typeof reason === 'string' ? reason : undefined;
}
