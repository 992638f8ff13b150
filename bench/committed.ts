/**
 * What the last run that was committed said of the figures that are watched, beside those of a new one: so that whoever makes a change which costs
 * sees it. Pure; the file is read and written in main.ts.
 */
import { type Figure, formatValue } from './figures.ts';
import type { Watched } from './watched.ts';

export interface Committed {
  /** The processor and the memory; of two that are the same, figures are compared as they are. */
  readonly machine: string;
  /** Commit and day of the run. */
  readonly run: string;
  /** Milliseconds, see probe.ts. */
  readonly probe: number;
  /** By key, in the order of the table. */
  readonly figures: Readonly<Record<string, CommittedFigure>>;
}

interface CommittedFigure {
  readonly value: number;
  readonly unit: string;
  /** To its peer of that run. */
  readonly ratio?: number;
}

export interface Compared {
  readonly name: string;
  readonly now: string;
  readonly goal: string;
  readonly committed: string;
  /** Above 1 where the figure is larger than it was; absent where there is nothing to compare. */
  readonly ratio?: number;
  /** By what, where figures of machines that differ are compared. */
  readonly by?: 'peer' | 'probe';
  readonly verdict: '' | 'worse' | 'better';
}

export type Run = Pick<Committed, 'machine' | 'probe'>;

/** A processor that is so much slower or faster than it was is another one, whatever its name: others are at work. */
const sameProbe = 1.1;
/** What differs by less is what such short runs differ by. */
const notable = 1.25;

export function toCommitted(
  { machine, probe, run }: Run & Pick<Committed, 'run'>,
  figures: readonly Figure[],
  watched: ReadonlyMap<string, Watched>,
): Committed {
  const byKey = new Map(figures.map((figure) => [figure.key, figure]));
  const kept = [...watched.keys()].flatMap((key) => {
    const figure = byKey.get(key);
    if (figure === undefined) return [];
    const { value, unit, ratio } = figure;
    return [[key, { value: rounded(value), unit, ...(ratio !== undefined && { ratio: rounded(ratio) }) }] as const];
  });
  return { machine, run, probe: rounded(probe), figures: Object.fromEntries(kept) };
}

/** A line for each figure that is watched. */
export function compare(
  now: Run,
  figures: readonly Figure[],
  then: Committed | undefined,
  watched: ReadonlyMap<string, Watched>,
): Compared[] {
  const byKey = new Map(figures.map((figure) => [figure.key, figure]));
  const isSame = then !== undefined && then.machine === now.machine && within(now.probe / then.probe, sameProbe);
  return [...watched].map(([key, how]) => {
    const figure = byKey.get(key);
    const old = then?.figures[key];
    const change = figure && old && then && changeOf(figure, old, how, isSame ? 1 : now.probe / then.probe);
    return {
      name: figure?.name ?? key,
      now: figure === undefined ? 'not measured' : `${formatValue(figure)} ${figure.unit}`,
      goal: figure?.goal === undefined ? '' : `${figure.goal}${metText(figure.met)}`,
      committed: old === undefined ? '' : `${formatValue(old)} ${old.unit}`,
      ...(change && { ratio: change.ratio, ...(!isSame && change.by && { by: change.by }) }),
      verdict: change === undefined ? '' : verdict(change.ratio, how),
    };
  });
}

/** @param slower how much more time the processor takes than then */
function changeOf(
  figure: Figure,
  old: CommittedFigure,
  { better, depends }: Watched,
  slower: number,
): Pick<Compared, 'by'> & { readonly ratio: number } {
  const ratio = figure.value / old.value;
  if (slower === 1 || depends === 'nothing') return { ratio };
  if (figure.ratio !== undefined && old.ratio !== undefined) return { ratio: figure.ratio / old.ratio, by: 'peer' };
  return { ratio: better === 'less' ? ratio / slower : ratio * slower, by: 'probe' };
}

function verdict(ratio: number, { better }: Watched): Compared['verdict'] {
  if (within(ratio, notable)) return '';
  return ratio > 1 === (better === 'more') ? 'better' : 'worse';
}

/** For a terminal. */
export function comparedTable(now: Run, then: Committed | undefined, rows: readonly Compared[]): string {
  const lines = rows.map(({ name, now, goal, committed, ratio, by, verdict }) => [
    name,
    now,
    goal,
    committed,
    ratio === undefined ? '' : `${formatValue({ value: ratio })} ×${by === undefined ? '' : ` by ${by}`}`,
    verdict,
  ]);
  const header = ['', 'now', 'goal', 'committed', 'now to committed', ''];
  const widths = header.map((_, at) => Math.max(...[header, ...lines].map((line) => (line[at] ?? '').length)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd();
  return [line(header), ...lines.map(line), '', ...about(now, then)].join('\n');
}

function about(now: Run, then: Committed | undefined): string[] {
  const probe = (run: Run) => `processor probe ${run.probe.toFixed(1)} ms`;
  if (then === undefined) return [`No figures were committed. ${now.machine}, ${probe(now)}.`];
  const lines = [`now: ${now.machine}, ${probe(now)}`, `committed: ${then.machine}, ${probe(then)}, ${then.run}`];
  if (then.machine === now.machine && within(now.probe / then.probe, sameProbe)) return lines;
  return [
    ...lines,
    'Another machine, or others at work: by peer, what each is to its peer of the same run; by probe, times by the processor probe. Neither says much of what waits for disks.',
  ];
}

const within = (ratio: number, factor: number): boolean => ratio < factor && ratio > 1 / factor;
const metText = (met: boolean | undefined): string => (met === undefined ? '' : met ? ': met' : ': missed');
const rounded = (value: number): number => Number(value.toPrecision(4));
