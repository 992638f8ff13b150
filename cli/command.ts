import type { Command } from 'commander';
import { CliError } from './output/cli-error.ts';
import type { Io } from './output/io.ts';

/** What every command is made with. */
export interface CommandContext {
  readonly io: Io;
  /** Exit code of the command that ran; 0 unless it says otherwise. */
  exitCode: number;
}

export interface CommandWords {
  /** Name and arguments, as commander takes them: `show <build>`. */
  readonly usage: string;
  /** One sentence, in the list of commands and at the top of the help. */
  readonly summary: string;
  /** More, in the help only. */
  readonly more?: string;
  /** Whole command lines, each with a word on what it does. */
  readonly examples: readonly (readonly [line: string, what: string])[];
  /** Whether it is what its group does where none of its commands is named. */
  readonly isDefault?: true;
}

/** A command below `parent`, with its examples at the end of its help. */
export function addCommand(parent: Command, { usage, summary, more, examples, isDefault }: CommandWords): Command {
  const command = parent.command(usage, { isDefault: isDefault === true });
  command.summary(summary).description(more === undefined ? `${summary}.` : `${summary}.\n\n${more}`);
  return withExamples(command, examples);
}

const examplesBy = new WeakMap<Command, CommandWords['examples']>();

/** The examples at the end of a command's help. */
export function examplesOf(command: Command): CommandWords['examples'] {
  return examplesBy.get(command) ?? [];
}

export function withExamples(command: Command, examples: CommandWords['examples']): Command {
  examplesBy.set(command, examples);
  const lines = examples.flatMap(([line, what]) => [`  # ${what}`, `  $ ${line}`]);
  return command.addHelpText('after', `\nExamples:\n${lines.join('\n')}`);
}

/** A group of commands: prints its help when it is called without one. */
export function addGroup(parent: Command, words: CommandWords): Command {
  return addCommand(parent, words).helpCommand(false);
}

/** Options that name a place. An empty one, as of a variable that is not set, would be the current folder. */
const namesPlace = /<(?:dir|folder|files?|store)>/;

function refuseEmptyPlaces(command: Command): void {
  const values = command.opts();
  for (const option of command.options)
    if (namesPlace.test(option.flags) && values[option.attributeName()] === '')
      throw new CliError('wrong-use', `expected a value for ${option.long}, got an empty one`, { exitCode: 2 });
}

/** Runs `body` when the command is called; a number that it gives back is the exit code. */
export function onAction<Arguments extends readonly unknown[]>(
  command: Command,
  context: CommandContext,
  body: (...args: Arguments) => Promise<unknown>,
): Command {
  return command.action(async (...args) => {
    refuseEmptyPlaces(command);
    const code = await body(...(args as unknown as Arguments));
    context.exitCode = typeof code === 'number' ? code : 0;
  });
}
