import { type Command, Option } from 'commander';
import type { Io } from './io.ts';
import { withIsoTimes } from './iso-times.ts';
import { printable } from './text.ts';
import type { View } from './view.ts';

/** What a command prints, for people and for programs; {@link print} makes of it what `-o` says. */
export interface Printed {
  /** All of it, for programs. Instants in milliseconds become RFC 3339. */
  readonly value: unknown;
  readonly text: (view: View) => string;
  /** An id or a name per row, for `-o name`; a command without any says so to {@link addOutputOptions}. */
  readonly names?: readonly string[];
  /** Where the list goes on, for `--after`. */
  readonly next?: string | number | undefined;
}

const formats = {
  table: 'for people',
  wide: 'the same with all columns, at full width',
  json: 'for programs (--json is the same)',
  yaml: 'the same as YAML',
  name: 'only the ids or names, one per line',
} as const;
export type OutputFormat = keyof typeof formats;

export interface OutputFlags {
  readonly output?: OutputFormat;
}

/** Gives a command `-o` and `--json`. @param names whether there are names to print. */
export function addOutputOptions(command: Command, { names = true } = {}): Command {
  const choices = (Object.keys(formats) as OutputFormat[]).filter((format) => names || format !== 'name');
  return command
    .addOption(new Option('-o, --output <format>', `what to print: ${choices.join(', ')}`).choices(choices))
    .addOption(new Option('--json', 'the same as -o json').implies({ output: 'json' }));
}

/** Whether a program reads what is printed, so that nothing else may stand there. */
export function forPrograms({ output = 'table' }: OutputFlags): boolean {
  return output === 'json' || output === 'yaml' || output === 'name';
}

/** Prints what a command has to say, on standard output. */
export async function print(io: Io, flags: OutputFlags, printed: Printed): Promise<void> {
  io.out((await formatter(io, flags))(printed));
  if (printed.next !== undefined && !forPrograms(flags))
    io.err(`There are more: add --after ${printable(String(printed.next))}\n`);
}

/** Prints what came of one of `count` things that were named: where they are several, a line of JSON each, or a document of YAML. */
export async function printOneOf(count: number, io: Io, flags: OutputFlags, printed: Printed): Promise<void> {
  io.out((await (count > 1 ? lineFormatter : formatter)(io, flags))(printed));
}

/** What {@link print} prints, as text. */
export async function formatter(io: Io, { output = 'table' }: OutputFlags): Promise<(printed: Printed) => string> {
  switch (output) {
    case 'table':
      return ({ text }) => text(viewOf(io, false));
    case 'wide':
      return ({ text }) => text(viewOf(io, true));
    case 'json':
      return ({ value }) => `${JSON.stringify(withIsoTimes(value), null, 2)}\n`;
    case 'yaml':
      return await yamlFormatter();
    case 'name':
      // One line each, whatever is in them: each is taken for an id by what reads it.
      return ({ names = [] }) => names.map((name) => `${printable(String(name))}\n`).join('');
  }
}

/** The same for what comes row by row without an end: a line of JSON each, or a document of YAML. */
export async function lineFormatter(io: Io, flags: OutputFlags): Promise<(printed: Printed) => string> {
  if (flags.output === 'json') return ({ value }) => `${JSON.stringify(withIsoTimes(value))}\n`;
  const format = await formatter(io, flags);
  return flags.output === 'yaml' ? (printed) => `---\n${format(printed)}` : format;
}

export function viewOf(io: Io, wide: boolean): View {
  return { colour: io.colour, width: wide ? undefined : io.columns(), wide, now: io.now };
}

async function yamlFormatter(): Promise<(printed: Printed) => string> {
  // Loaded here, as hardly anybody asks for it: starting the CLI stays quick.
  const { stringify } = await import('yaml');
  // Values that recur are written out, and long texts are not folded: whoever reads it may be no full YAML. Many read YAML 1.1 still, to
  // which a bare `no` is false, 12:30 a number and an instant no text.
  const options = { aliasDuplicateObjects: false, lineWidth: 0, compat: 'yaml-1.1' } as const;
  return ({ value }) => stringify(withIsoTimes(value), options);
}
