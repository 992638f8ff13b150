import type { CancelResult, RetryResult, SubmitResult } from '../../coordinator/application.ts';
import { plural, printable, shortName } from './text.ts';

/** Most builds that are named. */
const mostNamed = 20;

/** Ids of the builds that ended, or would. */
export function namesOf({ builds }: CancelResult): readonly string[] {
  return builds.filter(({ outcome }) => outcome !== 'kept').map(({ build }) => build);
}

/** What was cancelled, or would be, in lines. */
export function formatCancel(result: CancelResult, done: boolean): string {
  const { canceled, unwanted, kept, waiting } = result;
  const nothing = canceled + kept + unwanted === 0;
  const lines = [
    nothing ? `nothing ${done ? 'was' : 'is'} left to cancel` : '',
    canceled > 0
      ? `${done ? 'cancelled' : 'would cancel'} ${plural(canceled, 'build')}${listOf(result, 'canceled')}`
      : '',
    unwanted > 0
      ? `${done ? 'ended' : 'would end'} ${plural(unwanted, 'build')} that nobody else wants${listOf(result, 'unwanted')}`
      : '',
    kept > 0
      ? `${plural(kept, 'build')} ${done ? (kept === 1 ? 'goes' : 'go') : 'would go'} on, as other submissions want ${kept === 1 ? 'it' : 'them'}${listOf(result, 'kept')}`
      : '',
    waiting > 0
      ? `${plural(waiting, 'unfinished build')} ${waiting === 1 ? 'waits' : 'wait'} for what ${done ? 'ended' : 'would end'}; a retry of that would set ${waiting === 1 ? 'it' : 'them'} going`
      : '',
  ];
  return lines
    .filter((line) => line !== '')
    .map((line) => `${line}\n`)
    .join('');
}

function listOf({ builds, ...counts }: CancelResult, outcome: 'canceled' | 'unwanted' | 'kept'): string {
  const rows = builds.filter((build) => build.outcome === outcome).slice(0, mostNamed);
  const lines = rows.map(({ build, derivation, state, wantedBy }) => {
    const for_ = wantedBy.length === 0 ? '' : `, wanted by ${wantedBy.map(printable).join(' and ')}`;
    return `\n  ${printable(build)}  ${printable(shortName(derivation))} (${printable(state)}${for_})`;
  });
  return `${lines.length === 0 ? '' : ':'}${lines.join('')}${more(counts[outcome] - lines.length)}`;
}

/** What a retry of one build did. */
export function formatRetryOfOne({ submission, builds, joined }: SubmitResult): string {
  if (builds > 0) return `submission ${submission}: ${builds} built again\n`;
  const [one] = joined;
  const why = one === undefined ? 'the outputs are there' : `build ${printable(one)} of it is under way`;
  return `submission ${submission}: nothing built again, as ${why}\n`;
}

/** What is built again, or would be, in lines. */
export function formatRetry({ retried, underWay, available, builds, submissions }: RetryResult, done: boolean): string {
  const rows = builds.slice(0, mostNamed);
  const named = rows.map(({ build, derivation }) => `\n  ${printable(build)}  ${printable(shortName(derivation))}`);
  const head = `${done ? '' : 'would build '}${plural(retried, 'derivation')} ${done ? 'built ' : ''}again`;
  const passed = [
    underWay > 0 ? `${plural(underWay, 'build')} passed over: another is under way\n` : '',
    available > 0 ? `${plural(available, 'build')} passed over: the outputs are there\n` : '',
  ].join('');
  const made = submissions
    .map(({ submission, builds: n }) => `submission ${printable(submission)}: ${plural(n, 'build')}\n`)
    .join('');
  return `${head}${named.length === 0 ? '' : ':'}${named.join('')}${more(retried - rows.length)}\n${passed}${made}`;
}

function more(n: number): string {
  return n > 0 ? `\n  … and ${n} more` : '';
}
