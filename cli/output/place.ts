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
