import type { CommandShape, FlagShape, Source, Tree, Values } from './tree.ts';

export interface Candidate {
  readonly value: string;
  readonly about?: string;
}

/** What may stand in place of the last word. */
export interface Completion {
  /** What is known without a look elsewhere. */
  readonly candidates: readonly Candidate[];
  /** Where more are to be looked for, those that begin with `prefix`; each is to be written after `before`. */
  readonly look?: {
    readonly source: Source;
    readonly prefix: string;
    readonly before: string;
    /** The first argument of the line, where there is one. */
    readonly of?: string;
  };
  /** Flags with a value that the line has, by their long name without dashes: they say which coordinator is meant. */
  readonly given: Readonly<Record<string, string>>;
}

/** Completes the last of `words`, which follow `drover` on a command line. */
export function complete(tree: Tree, words: readonly string[]): Completion {
  const line = readLine(tree, words.slice(0, -1));
  const current = words.at(-1) ?? '';
  const given = Object.fromEntries(line.given);
  const of = (values: Values | undefined, prefix: string, before = '') => ({
    ...valuesFor(values, prefix, before, line.positional),
    given,
  });
  const { open, command } = line;
  if (open !== undefined && (open.value === 'one' || !current.startsWith('-'))) return of(open.values, current);
  if (!line.ended && current.startsWith('-')) {
    const [, name, prefix] = /^(--[^=]+)=(.*)$/s.exec(current) ?? [];
    if (name !== undefined) return of(flagNamed(tree, command, name)?.values, prefix ?? '', `${name}=`);
    const flags = flagsOf(tree, command).flatMap(({ names, about }) =>
      names.filter((long) => long.startsWith('--')).map((value) => ({ value, about })),
    );
    return { candidates: flags.filter(({ value }) => value.startsWith(current)), given };
  }
  const children = childrenOf(tree, command);
  if (children.length > 0 && line.positional.length === 0)
    return { candidates: children.filter(({ value }) => value.startsWith(current)), given };
  const { arguments: all } = command;
  const last = all.at(-1);
  return of((all[line.positional.length] ?? (last?.several ? last : undefined))?.values, current);
}

/** The commands right below one, `''` for the program. */
export function childrenOf(tree: Tree, { words }: Pick<CommandShape, 'words'>): readonly Candidate[] {
  const start = words === '' ? '' : `${words} `;
  return [...tree.values()].flatMap(({ words: path, about }) => {
    const value = path.slice(start.length);
    return path.startsWith(start) && value !== '' && !value.includes(' ') ? [{ value, about }] : [];
  });
}

interface Line {
  readonly command: CommandShape;
  readonly positional: readonly string[];
  /** The flag whose value comes next, or may. */
  readonly open: FlagShape | undefined;
  /** Whether `--` was there, after which nothing is a flag. */
  readonly ended: boolean;
  readonly given: ReadonlyMap<string, string>;
}

function readLine(tree: Tree, words: readonly string[]): Line {
  let command = tree.get('') as CommandShape;
  const positional: string[] = [];
  const given = new Map<string, string>();
  let open: FlagShape | undefined;
  let ended = false;
  for (const word of words) {
    if (open !== undefined && (open.value === 'one' || !word.startsWith('-'))) {
      keep(given, open, word);
      if (open.value !== 'several') open = undefined;
      continue;
    }
    open = undefined;
    if (!ended && word === '--') ended = true;
    else if (!ended && /^-./.test(word)) {
      const [, long, value] = /^(--[^=]+)=(.*)$/s.exec(word) ?? [];
      const flag = flagNamed(tree, command, long ?? word);
      if (flag !== undefined && value !== undefined) keep(given, flag, value);
      else if (flag?.value !== undefined) open = flag;
    } else {
      const child = positional.length > 0 ? undefined : tree.get(`${command.words} ${word}`.trimStart());
      if (child === undefined) positional.push(word);
      else command = child;
    }
  }
  return { command, positional, open, ended, given };
}

function keep(given: Map<string, string>, { names }: FlagShape, value: string): void {
  given.set((names.at(-1) as string).replace(/^-+/, ''), value);
}

/** Those of the command, then those of the program, which are good everywhere. */
function flagsOf(tree: Tree, command: CommandShape): readonly FlagShape[] {
  if (command.words === '') return command.flags;
  const everywhere = tree.get('')?.flags.filter(({ names }) => names.some((name) => /^--(no-)?color$/.test(name)));
  return [...command.flags, ...(everywhere ?? [])];
}

function flagNamed(tree: Tree, command: CommandShape, name: string): FlagShape | undefined {
  return flagsOf(tree, command).find(({ names }) => names.includes(name));
}

function valuesFor(
  values: Values | undefined,
  prefix: string,
  before: string,
  positional: readonly string[],
): Omit<Completion, 'given'> {
  if (values === undefined) return { candidates: [] };
  if ('words' in values) {
    const words = values.words.filter((word) => word.startsWith(prefix));
    return { candidates: words.map((word) => ({ value: before + word })) };
  }
  const source = 'from' in values ? values.from : values.by[positional.at(-1) ?? ''];
  if (source === undefined) return { candidates: [] };
  const [of] = positional;
  return { candidates: [], look: { source, prefix, before, ...(of !== undefined && { of }) } };
}
