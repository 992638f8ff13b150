import { type Goal, goals } from './goals.ts';
import type { Row } from './row.ts';

/** A row with what it is compared to. */
export interface Figure extends Row {
  readonly goal?: string;
  readonly met?: boolean;
  readonly bound?: string;
  /** Value divided by that of its peer, measured in the same run. */
  readonly ratio?: number;
  readonly peer?: string;
}

/** Adds what only follows from several rows, then goals and ratios to each. */
export function toFigures(rows: readonly Row[]): Figure[] {
  const all = [...rows, ...derived(rows)];
  const byKey = new Map(all.map((row) => [row.key, row]));
  return all.map((row) => {
    const goal: Goal | undefined = goals.get(row.key);
    if (!goal) return row;
    const met = goal.met(row, byKey);
    const peer = goal.peer === undefined ? undefined : byKey.get(goal.peer);
    return {
      ...row,
      goal: goal.text,
      bound: goal.bound,
      ...(met !== undefined && { met }),
      ...(peer && { peer: peer.name, ratio: row.value / peer.value }),
    };
  });
}

function derived(rows: readonly Row[]): Row[] {
  const found: Row[] = [];
  const costs = rows.flatMap((row) => {
    const size = /^cost-(\d+)$/.exec(row.key)?.[1];
    return size === undefined ? [] : [{ size: Number(size), value: row.value }];
  });
  costs.sort((a, b) => a.size - b.size);
  const [small, large] = [costs[0], costs.at(-1)];
  if (small && large && small !== large) {
    found.push({
      key: 'flat',
      name: `cost per build, ${large.size} against ${small.size} derivations`,
      value: large.value / small.value,
      unit: '×',
      note: `${large.value.toFixed(0)} and ${small.value.toFixed(0)} µs of the main thread`,
    });
  }
  const life = rows.find(({ key }) => key === 'life-guix') ?? rows.find(({ key }) => key === 'life-100000');
  const worker = rows.find(({ key }) => key === 'peer-graphile-worker');
  if (life && worker)
    found.push({
      key: 'beside-graphile-worker',
      name: `${life.name}, against graphile-worker`,
      value: life.value / worker.value,
      unit: '×',
    });
  return found;
}

/** The middle one of some values. */
export function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}

/** The median of several runs of the same row, with their range in the note. */
export function median(rows: readonly Row[]): Row {
  const sorted = rows.toSorted((a, b) => a.value - b.value);
  const middle = sorted[Math.floor(sorted.length / 2)] as Row;
  if (rows.length === 1) return middle;
  const range = `${formatValue(sorted[0] as Row)} to ${formatValue(sorted.at(-1) as Row)} in ${rows.length} runs`;
  return { ...middle, note: middle.note === undefined ? range : `${range}; ${middle.note}` };
}

export function formatValue({ value }: Pick<Row, 'value'>): string {
  if (!Number.isFinite(value)) return '—';
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
