import type { Blockage, Blocker } from '../../coordinator/application.ts';
import { describeLoss } from '../../projections/losses.ts';
import { plural, printable, shortName } from './text.ts';

/** What keeps builds from running, and what would set them going, a line each. */
export function describeBlockage({ blocked, blockers }: Blockage): readonly string[] {
  return [
    `${plural(blocked, 'build')} ${blocked === 1 ? 'waits' : 'wait'} for what nothing under way makes, and stay${blocked === 1 ? 's' : ''} queued:`,
    ...blockers.map((blocker) => {
      const waiting = `${blocker.waiting} ${blocker.waiting === 1 ? 'waits' : 'wait'} for it`;
      return `  ${printable(shortName(blocker.item))}  ${wordsFor(blocker)}, ${waiting}  ${remedy(blocker)}`;
    }),
  ];
}

function wordsFor({ state, lost }: Blocker): string {
  return lost === undefined ? blockerWords[state] : `a source that ${printable(describeLoss(lost))}`;
}

const blockerWords: Readonly<Record<Blocker['state'], string>> = {
  'source-missing': 'a source that nobody has sent',
  'source-lost': 'a source that is lost',
  failed: 'its build failed',
  canceled: 'its build was cancelled',
  'no-build': 'nobody asked for a build',
  'text-lost': 'the text of its derivation is lost',
};

/** The command that sets going what waits for it. */
export function remedy({ state, build, derivation }: Blocker): string {
  if (build !== undefined && (state === 'failed' || state === 'canceled')) return `drover builds retry ${build}`;
  if (derivation !== undefined) return `drover submit ${derivation}`;
  return 'drover submit, from where it is';
}
