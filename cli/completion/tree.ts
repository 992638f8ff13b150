import { readFileSync } from 'node:fs';

/** Where the values come from that an argument or the value of a flag may have. */
export type Values =
  | { readonly words: readonly string[] }
  | { readonly from: Source }
  /** Which it is depends on the argument before. */
  | { readonly by: Readonly<Record<string, Source>> };

/**
 * `systems` are those of the agents that there are; `kept` is what the root keeps that the line names first, `parked` and `held` are events
 * that the hook parks, or that fail as well.
 */
export const sources = [
  'builds',
  'submissions',
  'items',
  'agents',
  'systems',
  'hooks',
  'tokens',
  'roots',
  'kept',
  'held',
  'parked',
  'upstreams',
  'contexts',
  'files',
  'folders',
  'commands',
] as const;
export type Source = (typeof sources)[number];

export interface FlagShape {
  /** `-o` and `--output`. */
  readonly names: readonly string[];
  readonly about: string;
  /** Whether it has a value: it may (`--flag [x]`), it has to, or it takes all words up to the next flag. */
  readonly value?: 'optional' | 'one' | 'several';
  readonly values?: Values;
}

export interface ArgumentShape {
  /** Whether it takes all words that are left. */
  readonly several?: true;
  readonly values?: Values;
}

/** One command, as far as completion, and the list of commands in the help, have to know it. */
export interface CommandShape {
  /** The words that call it, `builds list`; of the program itself `''`. */
  readonly words: string;
  readonly about: string;
  /** Its arguments as the help has them: `[what] [id]`; none, `''`. */
  readonly usage: string;
  readonly flags: readonly FlagShape[];
  readonly arguments: readonly ArgumentShape[];
}

export type Tree = ReadonlyMap<string, CommandShape>;

/**
 * All commands, from the file that scripts/generate-docs.ts makes of them: to make the commands themselves takes several times as long as
 * a person waits for a key.
 */
export function readTree(): Tree {
  const lines = readFileSync(new URL('tree.ndjson', import.meta.url), 'utf8')
    .trimEnd()
    .split('\n');
  return new Map(
    lines.map((line) => {
      const command = JSON.parse(line) as CommandShape;
      return [command.words, command];
    }),
  );
}
