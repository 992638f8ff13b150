import { CliError } from './cli-error.ts';
import { instantOption } from './when.ts';

/** A place in the log, as it was given: a position (or a word for one), or a time. */
export interface Place {
  readonly position?: string;
  /** Milliseconds since the Unix epoch. */
  readonly time?: number;
  toString(): string;
  /** For help, which shows defaults. */
  toJSON(): string;
}

/** Reads an option that is a position or a time. */
export function placeOption(now: () => number): (text: string) => Place {
  const instant = instantOption(now);
  return (text) => ({
    ...(/^(\d{4}-|\d{1,6}[smhd]$)/.test(text) ? { time: instant(text) } : { position: text }),
    toString: () => text,
    toJSON: () => text,
  });
}

type Field =
  | 'from'
  | 'since'
  | 'to'
  | 'until'
  | 'stream'
  | 'actor'
  | 'system'
  | 'name'
  | 'tag'
  | 'agent'
  | 'submission'
  | 'joinedBy'
  | 'derivation'
  | 'deriver'
  | 'ttlSeconds'
  | 'options.deferUntil'
  | 'root.keepSeconds'
  | 'targets'
  | 'target'
  | 'items';

/** Names of the API's fields of places and things, and the flags that give them: a position has one field, a time another. */
export type FieldFlags = Readonly<Partial<Record<Field, string>>>;

/** `targets.0` is the first of several. */
const fieldAtStart = /^([a-z]\w*(?:\.[a-z]\w*)*)(?:\.\d+)?: /i;

/** A refusal in the words of the flags; what is wrong with the value of one is a wrong use. */
export function inFlags(error: unknown, flags: FieldFlags): unknown {
  if (!(error instanceof CliError)) return error;
  const { code, hint, cause } = error;
  const field = fieldAtStart.exec(error.message)?.[1] as keyof FieldFlags | undefined;
  const flag = field === undefined ? undefined : flags[field];
  const exitCode = code === 'unknown-agent' || code === 'unknown-submission' ? 2 : error.exitCode;
  const message = (flag === undefined ? error.message : error.message.replace(fieldAtStart, `${flag}: `)).replace(
    /(: expected a position of this log(?:, like [^ ]*)?), got /,
    '$1, or a time, got ',
  );
  return new CliError(code, message, { hint, exitCode, cause });
}
