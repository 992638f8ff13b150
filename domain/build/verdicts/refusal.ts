import type { FailureClass } from '../failure-class.ts';

/** A text by which a daemon refuses or ends something, with `%` for what varies. */
export interface Refusal {
  readonly says: string;
  readonly means: FailureClass;
  /** What a person could do, where the text does not tell. */
  readonly hint?: string;
  /** The hint says what the text does not: it comes first, as lists show the first line alone. */
  readonly hintFirst?: true;
  /** It says that the store of the machine is damaged as a whole: no build can be judged by what comes of it there. */
  readonly storeDamaged?: true;
  /** The builder was killed with SIGKILL, and not by the daemon for a limit: that it was at fault is the least likely. */
  readonly killed?: true;
}

/** Finds the first of the refusals that is the whole of a text. */
export function createFinder<Kind extends Refusal>(refusals: readonly Kind[]): (text: string) => Kind | undefined {
  const rows = refusals.map((refusal) => ({ refusal, parts: refusal.says.split('%') }));
  return (text) => rows.find(({ parts }) => matches(text, parts))?.refusal;
}

/** Whether the text is `parts` with anything between them. Linear: a text may be long, and its middle somebody else's. */
function matches(text: string, parts: readonly string[]): boolean {
  const first = parts[0] as string;
  const last = parts.at(-1) as string;
  if (parts.length === 1) return text === first.replace(/[;.]$/, '');
  if (!text.startsWith(first) || !text.endsWith(last)) return false;
  const end = text.length - last.length;
  let at = first.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at <= end;
}
