import type { Operations } from 'drover/client';

/** How a thing stood at a moment: its state, and what else two moments are compared by. */
export type ThingState = Readonly<Record<string, unknown>>;

/** What else than its state is not the same of a thing, where it was there at both: with the values that are short. */
export function othersChanged(from: ThingState | null, to: ThingState | null): readonly string[] {
  if (from === null || to === null) return [];
  return [...new Set([...Object.keys(from), ...Object.keys(to)])].flatMap((field) => {
    const [before, after] = [from[field], to[field]];
    if (field === 'state' || JSON.stringify(before) === JSON.stringify(after)) return [];
    const [old, made] = [textOf(before), textOf(after)];
    return [old.length <= most && made.length <= most ? `${field} ${old} → ${made}` : field];
  });
}

/** Longer values would fill the page; that they changed is said. */
const most = 24;

function textOf(value: unknown): string {
  if (value === undefined || value === null) return 'none';
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.join(' ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** Rows of each list: so many at first, and at most as many as `/v1/differences` gives. */
const usualRows = 50;
export const mostRows = 10_000;

/** How many rows an address asks for. */
export function rowsAsked(text: string | null): number {
  const asked = Number(text);
  return Number.isSafeInteger(asked) && asked > 0 ? Math.min(asked, mostRows) : usualRows;
}

/** How many are asked for next; `undefined` where there are no more to be had. */
export const moreRows = (rows: number): number | undefined =>
  rows < mostRows ? Math.min(4 * rows, mostRows) : undefined;

export interface Actor {
  readonly id: string;
  readonly kind: 'token' | 'agent' | 'system';
  readonly name?: string;
}

/** `token ci (1m8aperfahjkz4xf)`, `agent worker-1`, `coordinator`. */
export function actorText({ id, kind, name }: Actor): string {
  if (kind === 'agent') return `agent ${name ?? id}`;
  return kind === 'token' ? `token ${name} (${id})` : id;
}

type Status = Operations['getStatus']['answer'];

export interface Count {
  readonly name: string;
  /** Of builds: the state that they are in. */
  readonly state?: string;
  readonly count: number;
}

/** What a farm had how many of. */
export function countsOf({ builds, items, derivations, agents }: Status): readonly Count[] {
  return [
    ...Object.entries(builds).map(([state, count]) => ({ name: `builds ${state}`, state, count })),
    { name: 'derivations known', count: derivations },
    { name: 'items in the pool', count: items },
    { name: 'agents connected', count: agents.connected },
    { name: 'slots busy', count: agents.busy },
  ];
}
