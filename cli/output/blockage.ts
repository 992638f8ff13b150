import type { Blockage, Blocker } from '../../coordinator/application.ts';
import { describeCancellation } from '../../projections/blocker-words.ts';
import { firstLine } from '../../projections/first-line.ts';
import { jobClassWords } from '../../projections/job-class-words.ts';
import { describeLoss } from '../../projections/losses.ts';
import { wholeBlockage } from './older.ts';
import { plural, printable, shortName } from './text.ts';

/** What keeps builds from running, and what would set them going, a line each. */
export function describeBlockage(said: Blockage): readonly string[] {
  const { blocked, blockers, total, more } = wholeBlockage(said);
  const rest = total - blockers.length;
  return [
    `${plural(blocked, 'build')} ${blocked === 1 ? 'is' : 'are'} blocked, and stay${blocked === 1 ? 's' : ''} queued:`,
    ...blockers.map((blocker) => {
      const waiting = `${blocker.waiting}${blocker.more ? ' or more' : ''} ${blocker.waiting === 1 ? 'waits' : 'wait'} for it`;
      // An agent that is added takes nothing before it runs.
      const start = blocker.remedy === addAgent ? ', and start it with its token' : '';
      const remedy = blocker.remedy === '' ? '' : `  ${printable(blocker.remedy)}${start}`;
      return `  ${printable(shortName(blocker.item))}  ${wordsFor(blocker)}, ${waiting}${remedy}`;
    }),
    ...(rest > 0 ? [`  … and ${plural(rest, 'more thing')}${more ? ' at least' : ''} that block them`] : []),
  ];
}

/** What the coordinator names where no agent that is there could be made to fit. */
export const addAgent = 'drover agents add NAME';

/** What is the matter with it. */
export function wordsFor({ state, lost, failure, canceled, system, features, storeDir }: Blocker): string {
  if (lost !== undefined) return `a source that ${printable(describeLoss(lost))}`;
  if (failure !== undefined) {
    const where = failure.agent === '' ? '' : ` on ${printable(failure.agent)}`;
    return `its build failed (${printable(failure.class)}${where}): ${printable(firstLine(failure.message))}`;
  }
  if (canceled !== undefined) return `its build was cancelled${printable(describeCancellation(canceled))}`;
  if (state === 'no-agent')
    return `no agent takes builds for ${printable(jobClassWords({ system, features, storeDir }))}`;
  return blockerWords[state];
}

const blockerWords: Readonly<Record<Blocker['state'], string>> = {
  'source-missing': 'a source that nobody has sent',
  'source-lost': 'a source that is lost',
  failed: 'its build failed',
  canceled: 'its build was cancelled',
  'no-build': 'nobody asked for a build',
  'text-lost': 'the text of its derivation is lost',
  'no-agent': 'no agent takes such builds',
};
