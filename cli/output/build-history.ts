import type { BuildHistory, HistoryEntry } from '../../coordinator/application.ts';
import { formatEarlier } from './earlier-builds.ts';
import { phaseLine, phaseRows, phaseWords } from './phases.ts';
import { details } from './table.ts';
import { duration, paint, plural, printable, shortName } from './text.ts';
import type { View } from './view.ts';

/** The story of a build, for people: a line for each entry, and below it what belongs to it. */
export function formatHistory(history: BuildHistory, view: View): string {
  const { colour } = view;
  const { build, derivation, state, from, to, phases, entries, cut } = history;
  const head = details([
    ['build', build],
    ['derivation', derivation],
    ['state', state],
    ['time', duration(to - from)],
    ...phaseRows(phases),
  ]);
  const lines = entries.map((entry) => {
    const { at, since, position, kind, actor, summary, ms } = entry;
    const took = kind === 'wait' ? ` ${duration(ms ?? 0)}` : '';
    const by = actor === undefined ? '' : ` (${printable(actor)})`;
    const place = paint(`${new Date(at).toISOString()} ${`+${duration(since)}`.padStart(8)}`, 'dim', colour);
    const where = position === undefined ? '' : paint(` @${position}`, 'dim', colour);
    // Who did it and where it is stand with the first line of a message of several.
    const [first = '', ...rest] = `${summary}${took}`.split('\n');
    const text = paint(printable(first.trimEnd()), kind === 'wait' ? 'running' : '', colour);
    const below = rest.map((line) => `    ${printable(line.trimEnd())}\n`).join('');
    return `${place}  ${text}${by}${where}\n${below}${more(entry, build)}`;
  });
  const left = cut.map((what) => `left out: ${printable(what)}\n`).join('');
  return `${head}\n${lines.join('')}${left}${formatEarlier(history.earlier ?? [], view)}`;
}

function more({ attempt, phases, unknown = [], log, inputs = [], total = 0 }: HistoryEntry, build: string): string {
  const lines: string[] = [];
  if (phases !== undefined) {
    const untold = unknown.map((phase) => `${phaseWords[phase]} not known`).join(', ');
    lines.push([phaseLine(phases), untold].filter((part) => part !== '').join(', '));
  }
  if (log !== undefined) lines.push(`log: drover builds log ${build} --attempt ${attempt}`);
  for (const { item, at, build: maker } of inputs) {
    const came = at === undefined ? 'not there yet' : `came ${new Date(at).toISOString()}`;
    lines.push(`${shortName(item)}: ${came}${maker === undefined ? '' : `, build ${maker}`}`);
  }
  if (total > inputs.length) lines.push(`… and ${plural(total - inputs.length, 'more input')}`);
  return lines.map((line) => `    ${printable(line)}\n`).join('');
}
