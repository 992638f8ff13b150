import type { Actor, Change, Changes, ChangesOfKind, Doing } from '../../projections/changes.ts';
import { firstLine } from '../../projections/first-line.ts';
import type { ThingKind, ThingState } from '../../projections/things.ts';
import { table } from './table.ts';
import { duration, paint, plural, printable, shortName } from './text.ts';
import type { View } from './view.ts';

/** One of two moments: position and time of its last event; `null` before the first. */
export type Edge = { readonly position: string; readonly time: string } | null;

export interface Difference extends Changes {
  readonly from: Edge;
  readonly to: Edge;
}

const titles: Readonly<Record<ThingKind, string>> = {
  submissions: 'submissions',
  builds: 'builds',
  items: 'store items',
  agents: 'agents',
  roots: 'roots',
  hooks: 'hooks',
  tokens: 'tokens',
  texts: 'texts of derivations',
};
/** What people look at first. */
const order = Object.keys(titles) as ThingKind[];

/** What is not the same at two moments, for people. */
export function formatChanges(changes: Difference, view: View): string {
  const { from, to, events, derivations, actors } = changes;
  const span = from && to ? `, ${duration(Math.max(0, Date.parse(to.time) - Date.parse(from.time)))} apart` : '';
  const head = `From ${edgeText(from)} to ${edgeText(to)}: ${plural(events, 'event')}${span}.\n`;
  if (events === 0) return `${head}Nothing happened in between.\n`;
  const unchanged = order.filter((kind) => changes[kind].total === 0).map((kind) => titles[kind]);
  const known = derivations === 0 ? '' : `${plural(derivations, 'new derivation')}.\n`;
  const lists = order.filter((kind) => changes[kind].total > 0).map((kind) => listOf(kind, changes[kind], view));
  const same = unchanged.length === 0 ? '' : `\nNothing else is different: no ${unchanged.join(', no ')}.\n`;
  return `${head}${known}${lists.join('')}${same}${doingTable(actors, view)}`;
}

function edgeText(edge: Edge): string {
  return edge === null ? 'the start' : `${edge.position} (${edge.time})`;
}

function listOf(kind: ThingKind, { total, counts, rows }: ChangesOfKind, view: View): string {
  const title = paint(titles[kind], 'heading', view.colour);
  const pairs = counts.map(({ from, to, count }) => `${arrow(from, to)} ${count}`).join(', ');
  const columns = [
    { title: 'WHICH', value: (row: Change) => (byId.has(kind) ? row.id : row.name) },
    ...(byId.has(kind) ? [{ title: 'NAME', value: (row: Change) => shortName(row.name) }] : []),
    { title: 'CHANGE', value: changeText, state: (row: Change) => row.to?.state ?? '' },
    { title: 'AT', value: (row: Change) => new Date(row.at).toISOString() },
    { title: 'BY', value: (row: Change) => actorText(row.by) },
    { title: 'EVENT', value: (row: Change) => row.type },
    { title: 'WHY', value: (row: Change) => row.why && firstLine(row.why) },
  ];
  const more = total > rows.length ? `… and ${plural(total - rows.length, 'more', 'more')}; --limit shows them\n` : '';
  return `\n${title}: ${total} (${pairs})\n${table(rows, columns, { ...view, empty: '' })}${more}`;
}

/** Kinds that commands know by their ids, which say nothing to people. */
const byId: ReadonlySet<ThingKind> = new Set(['builds', 'tokens']);

const arrow = (from: string | null, to: string | null): string => `${from ?? 'none'} → ${to ?? 'none'}`;

/** `queued → failed, attempt 0 → 2`: the state first, then what else is not the same, where both were there. */
function changeText({ from, to }: Change): string {
  const state = from?.state === to?.state ? [] : [arrow(from?.state ?? null, to?.state ?? null)];
  if (from === null || to === null) return state.join();
  const fields = [...new Set([...Object.keys(from), ...Object.keys(to)])].filter((field) => field !== 'state');
  const others = fields.flatMap((field) => {
    const [before, after] = [from[field], to[field]];
    if (JSON.stringify(before) === JSON.stringify(after)) return [];
    return [isShort(before) && isShort(after) ? `${field} ${valueText(before)} → ${valueText(after)}` : field];
  });
  return [...state, ...others].join(', ');
}

/** Whether a value of a {@link ThingState} fits into a cell of a table; of others only that they changed is said. */
function isShort(value: ThingState[string]): boolean {
  return value === undefined || String(valueText(value)).length <= 24;
}

function valueText(value: unknown): string {
  if (value === undefined) return 'none';
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.join(' ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** `token ci (1m8aperfahjkz4xf)`, `agent worker-1`, `coordinator`. */
function actorText({ id, kind, name }: Actor): string {
  if (kind === 'agent') return `agent ${name}`;
  return kind === 'token' ? `token ${name} (${id})` : id;
}

function doingTable({ total, rows }: Changes['actors'], view: View): string {
  const columns = [
    { title: 'BY', value: (row: Doing) => actorText(row.by) },
    { title: 'EVENTS', value: (row: Doing) => row.events },
    { title: 'WHAT', value: whatText },
  ];
  const more = total > rows.length ? `… and ${total - rows.length} more\n` : '';
  return `\n${table(rows, columns, { ...view, empty: '' })}${more}`;
}

/** Types that a row names; the JSON has them all. */
const mostTypes = 6;

function whatText({ types }: Doing): string {
  const all = Object.entries(types).map(([type, count]) => `${printable(type)} ${count}`);
  const more = all.length > mostTypes ? `, … and ${all.length - mostTypes} more` : '';
  return `${all.slice(0, mostTypes).join(', ')}${more}`;
}
