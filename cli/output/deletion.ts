import type { DeletionReport } from '../../coordinator/application.ts';
import { plural, printable, relativeTime, shortName, size } from './text.ts';

/** Most of what there may be many of that are named. */
const mostNamed = 20;

/** Of several requests as of one. */
export function sumOf(reports: readonly DeletionReport[]): DeletionReport {
  const sum = (count: (report: DeletionReport) => number): number =>
    reports.reduce((total, report) => total + count(report), 0);
  return {
    items: reports.flatMap(({ items }) => items),
    needed: sum(({ needed }) => needed),
    needs: reports.flatMap(({ needs }) => needs),
    rebuilds: sum(({ rebuilds }) => rebuilds),
    derivations: reports.flatMap(({ derivations }) => derivations),
    sources: reports.flatMap(({ sources }) => sources),
    freed: sum(({ freed }) => freed),
  };
}

/** What would be deleted, who needs it, and what is built again then, in lines. */
export function formatPlan({ items, freed, ...follows }: DeletionReport, force: boolean): string {
  const names = items.map(({ item }) => item);
  const how = follows.needed > 0 && !force ? 'with --force it would' : 'would';
  return `${how} delete ${plural(items.length, 'item')}, ${size(freed)}${listOf(names, items.length)}\n${formatNeeds(follows)}${formatRebuilds(follows, 'would be')}`;
}

/** What was deleted, in lines. */
export function formatDeleted(report: DeletionReport, now: number): string {
  const { items, freed } = report;
  const until = items.reduce<number | undefined>(
    (last, item) => ((item.until ?? 0) > (last ?? 0) ? item.until : last),
    undefined,
  );
  const named = items.slice(0, mostNamed).map(({ item, state }) => `${state} ${printable(item)}\n`);
  const more = items.length > mostNamed ? `… and ${(items.length - mostNamed).toLocaleString('en')} more\n` : '';
  const bytes =
    until === undefined
      ? `${size(freed)} freed`
      : `${size(freed)} will be freed ${relativeTime(until, now)}, when clients have forgotten what the cache said`;
  return `${named.join('')}${more}${bytes}\n${formatRebuilds(report, 'are')}`;
}

/** Who needs what, in lines; nothing where nobody does. */
export function formatNeeds({ needed, needs }: Pick<DeletionReport, 'needed' | 'needs'>): string {
  if (needed === 0) return '';
  const lines = needs.slice(0, mostNamed).map(({ item, by }) => {
    const who = by.map(({ text }) => `\n    ${printable(text)}`);
    return `\n  ${printable(item)}${who.join('')}`;
  });
  return `${plural(needed, 'item')} of these ${needed === 1 ? 'is' : 'are'} needed:${lines.join('')}${more(needed - lines.length)}\n`;
}

function formatRebuilds(
  { rebuilds, derivations, sources }: Pick<DeletionReport, 'rebuilds' | 'derivations' | 'sources'>,
  verb: 'are' | 'would be',
): string {
  const built =
    rebuilds === 0
      ? ''
      : `${plural(rebuilds, 'derivation')} ${rebuilds === 1 && verb === 'are' ? 'is' : verb} built again, as builds or roots need what ${rebuilds === 1 ? 'it makes' : 'they make'}${listOf(derivations.map(shortName), rebuilds)}\n`;
  const sent =
    sources.length === 0
      ? ''
      : `no known derivation makes what builds need here; they wait until somebody submits it again${listOf(sources, sources.length)}\n`;
  return `${built}${sent}`;
}

function listOf(names: readonly string[], count: number): string {
  const named = names.slice(0, mostNamed).map((name) => `\n  ${printable(name)}`);
  return count === 0 ? '' : `:${named.join('')}${more(count - named.length)}`;
}

function more(n: number): string {
  return n > 0 ? `\n  … and ${n.toLocaleString('en')} more` : '';
}
