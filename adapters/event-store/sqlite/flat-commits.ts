import { commitContent } from '../../../coordinator/audit/commit-text.ts';
import type { Commit } from '../../../coordinator/ports/event-store.ts';

/**
 * Commits on their way to the writer, which cross threads as text, because that costs a tenth of cloning a structure. Per commit, one
 * field a line: id, stream, expected (a revision, -1 for none, -2 for any), hash of the commit before it (empty for none), number of
 * events; then the lines of {@link commitContent}, as they are hashed.
 */
export type FlatCommits = string;

/** A commit as it was read from {@link FlatCommits}. */
export interface FlatCommit {
  readonly id: string;
  readonly stream: string;
  readonly expected: number;
  readonly previousHash: string;
  readonly at: number;
  readonly actor: string;
  /** These three are empty for none. */
  readonly correlation: string;
  readonly causation: string;
  readonly trace: string;
  /** Three for each event: type, version, data as JSON. */
  readonly events: readonly string[];
  /** What {@link commitContent} said of it. */
  readonly content: string;
}

/** @param encoded data of each event, as JSON text. */
export function flattenCommit(
  { id, stream, expected, at, meta, previousHash = '', events }: Commit,
  encoded: readonly string[],
): FlatCommits {
  const revision = expected === 'any' ? -2 : expected === 'none' ? -1 : expected;
  const content = commitContent({ at, meta, events }, encoded);
  return `${id}\n${stream}\n${revision}\n${previousHash}\n${events.length}\n${content}`;
}

/** Calls `take` with each commit in order. */
export function readCommits(text: FlatCommits, take: (commit: FlatCommit) => void): void {
  let at = 0;
  /** The rest of the line that begins `from` characters after this place. */
  function rest(from = 0): string {
    const end = text.indexOf('\n', at);
    const line = text.slice(at + from, end);
    at = end + 1;
    return line;
  }
  const named = (prefix: string): string => (text.startsWith(prefix, at) ? rest(prefix.length) : '');

  while (at < text.length) {
    const [id, stream, expected, previousHash] = [rest(), rest(), Number(rest()), rest()];
    let left = Number(rest());
    const start = at;
    const time = Number(named('at '));
    const [actor, correlation, causation, trace] = [
      named('actor '),
      named('correlation '),
      named('causation '),
      named('trace '),
    ];
    const events: string[] = [];
    for (; left > 0; left--) {
      const event = rest('event '.length);
      const version = event.indexOf(' ') + 1;
      const data = event.indexOf(' ', version) + 1;
      events.push(event.slice(0, version - 1), event.slice(version, data - 1), event.slice(data));
    }
    const content = text.slice(start, at);
    take({ id, stream, expected, previousHash, at: time, actor, correlation, causation, trace, events, content });
  }
}
