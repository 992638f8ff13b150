import type { FailureClass } from '../failure-class.ts';
import { messageForPeople } from './daemon-text.ts';
import { guixRefusals } from './guix-refusals.ts';
import { createFinder, type Refusal } from './refusal.ts';
import type { Verdict } from './verdict.ts';

/** How guix-daemon ended something: the error that it answered, and what it said before, without what builders printed. */
export interface GuixFailure {
  /** Exit status of `guix build` for it: 100 where a builder failed for good, 101 where it took too long, else 1. */
  readonly status: number;
  readonly message: string;
  /** Its own lines, in order; those that begin with `@ ` are for programs. */
  readonly lines: readonly string[];
  /** What a time limit was, in seconds: this guix-daemon says `%2%` instead. */
  readonly timeoutSeconds?: number;
}

const find = createFinder(guixRefusals);
const statuses: Readonly<Record<number, FailureClass>> = { 100: 'builder-failed', 101: 'timed-out' };

/**
 * Whose failure it is: by the status first, which is a number that no builder can print; then by what it says for programs, of wrong hashes;
 * then by its lines.
 */
export function verdictOnGuix({ status, message, lines, timeoutSeconds }: GuixFailure): Verdict {
  const words = withoutBacktraces(lines.filter((line) => !line.startsWith('@ ')).map((line) => line.trim()));
  const told = [...new Set([...words, message.trim()])].filter((line) => line !== '');
  const people = messageForPeople(told.join('\n')).replace(
    'after %2% seconds',
    `after ${timeoutSeconds ?? '?'} seconds`,
  );
  const rows = told.flatMap((line) => find(line) ?? []);
  const mismatch = lines
    .map((line) => /^@ hash-mismatch (\S+) (\S+) (\S+) (\S+)$/.exec(line))
    .find((one) => one !== null);
  // That the disk was full explains whatever else is said.
  const row = rows.find(({ means }) => means === 'disk-full') ?? rows[0];
  if (status === 101) return { class: row?.means === 'silent-too-long' ? row.means : 'timed-out', message: people };
  if (row?.means !== 'disk-full' && mismatch) {
    const [, path, algo, expected, got] = mismatch;
    return { class: 'hash-mismatch', message: `${people}\n${path}: expected ${algo}:${expected}, got ${algo}:${got}` };
  }
  return {
    class: row?.means ?? statuses[status] ?? 'unknown',
    message: withHint(people, row),
    ...(row?.storeDamaged && { storeDamaged: true }),
    ...(row?.killed && { killed: true }),
  };
}

function withHint(people: string, row: Refusal | undefined): string {
  if (row?.hint === undefined) return people;
  return row.hintFirst ? `${row.hint}\n${people}` : `${people}\n(${row.hint})`;
}

/** Without the frames of Guile where a process of Guix died: from `Backtrace:` to the empty line before what was thrown, and where that was. */
function withoutBacktraces(lines: readonly string[]): readonly string[] {
  let inFrames = false;
  const left = lines.filter((line) => {
    if (/^(?:\S+: )?Backtrace:$/.test(line)) inFrames = true;
    else if (inFrames && /^(?:\S+:)?$/.test(line)) {
      inFrames = false;
      return false;
    }
    return !inFrames && !/^(?:\S+: )?\S+:\d+:\d+: In procedure \S+:$/.test(line);
  });
  return inFrames ? lines : left;
}
