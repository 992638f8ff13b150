import type { Argument, Command, Option } from 'commander';
import { allCommands } from '../../cli/commands/all.ts';
import type { ArgumentShape, CommandShape, FlagShape, Source, Values } from '../../cli/completion/tree.ts';
import { processIo } from '../../cli/output/io.ts';
import { buildProgram } from '../../cli/program.ts';
import { buildFilterStates, buildStates, unfinishedFilterStates } from '../../coordinator/ports/views.ts';
import { failureClasses } from '../../domain/build/failure-class.ts';
import { eventTypes } from '../../domain/events.ts';

const everyCommand = await allCommands();

/** cli/completion/tree.ndjson: every command with what may stand behind it, a line each. */
export function completionTree(): string {
  const program = buildProgram({ io: processIo(), exitCode: 0 }, everyCommand);
  return [...shapes(program, [])].map((shape) => `${JSON.stringify(shape)}\n`).join('');
}

function* shapes(command: Command, words: readonly string[]): Generator<CommandShape> {
  const help = command.createHelp();
  yield {
    words: words.join(' '),
    about: command.summary() || command.description(),
    usage: command.registeredArguments.map(humanReadableArgName).join(' '),
    flags: help.visibleOptions(command).map((option) => flagShape(option, words.join(' '))),
    arguments: command.registeredArguments.map((argument) => argumentShape(argument, words)),
  };
  for (const child of help.visibleCommands(command)) yield* shapes(child, [...words, child.name()]);
}

/** As commander writes it in the list of commands. */
function humanReadableArgName(argument: Argument): string {
  const name = argument.name() + (argument.variadic ? '...' : '');
  return argument.required ? `<${name}>` : `[${name}]`;
}

function flagShape(option: Option, command: string): FlagShape {
  const values = valuesOfFlag(option, command);
  const value = option.variadic ? 'several' : option.required ? 'one' : option.optional ? 'optional' : undefined;
  return {
    names: [option.short, option.long].filter((name) => name !== undefined && name !== null),
    about: option.description,
    ...(value !== undefined && { value }),
    ...(value !== undefined && values !== undefined && { values }),
  };
}

/** What the values of flags are, by the command and the flag's name, by all of the flag, by its name, or by the placeholder. */
const ofFlags: Readonly<Record<string, Values>> = {
  'builds list --state': { words: buildFilterStates },
  'replay --state': { words: buildFilterStates },
  'builds cancel --state': { words: unfinishedFilterStates },
  'builds retry --state': { words: ['failed', 'canceled'] },
  'hooks skip --event': { from: 'held' },
  'hooks retry-parked --event': { from: 'parked' },
  '--data <value>': { from: 'folders' },
  '--state <value>': { from: 'folders' },
  '--token-file': { from: 'files' },
  '<file>': { from: 'files' },
  '<dir>': { from: 'folders' },
  '<folder>': { from: 'folders' },
  '<agent>': { from: 'agents' },
  '<system>': { from: 'systems' },
  '[bool]': { words: ['true', 'false'] },
  '<state>': { words: buildStates },
  '<class>': { words: failureClasses },
  '<type>': { words: [...eventTypes.keys()] },
  '--agent': { from: 'agents' },
  '--root': { from: 'roots' },
  '--context': { from: 'contexts' },
  '--submission': { from: 'submissions' },
  '--joined-by': { from: 'submissions' },
  '--correlation': { from: 'submissions' },
};

function valuesOfFlag({ argChoices, flags, long }: Option, command: string): Values | undefined {
  if (argChoices !== undefined) return { words: argChoices };
  return (
    ofFlags[`${command} ${long}`] ??
    ofFlags[flags] ??
    ofFlags[long ?? ''] ??
    ofFlags[/[<[].*$/.exec(flags)?.[0].replace('...', '') ?? '']
  );
}

const from = (source: Source): Values => ({ from: source });
/** What arguments are, by their names; `undefined` where only who types knows. */
const ofArguments: Readonly<Record<string, Values | undefined>> = {
  build: from('builds'),
  submission: from('submissions'),
  item: from('items'),
  root: from('roots'),
  upstream: from('upstreams'),
  target: from('items'),
  token: from('tokens'),
  drv: from('files'),
  database: from('files'),
  path: from('files'),
  file: from('files'),
  command: from('commands'),
  event: undefined,
  url: undefined,
  priority: undefined,
};
const named: Readonly<Record<string, Source>> = { agents: 'agents', hooks: 'hooks', context: 'contexts' };

function argumentShape(argument: Argument, words: readonly string[]): ArgumentShape {
  const values = valuesOfArgument(argument, words);
  return { ...(argument.variadic && { several: true }), ...(values !== undefined && { values }) };
}

function valuesOfArgument(argument: Argument, [group = '', verb]: readonly string[]): Values | undefined {
  const name = argument.name();
  if (argument.argChoices !== undefined) return { words: argument.argChoices };
  if (group === 'roots' && verb === 'remove' && name === 'target') return from('kept');
  if (name in ofArguments) return ofArguments[name];
  // A new name is for who gives it to make up.
  if (name === 'name') return verb === 'add' || verb === 'create' ? undefined : from(named[group] as Source);
  if (group === 'replay' && name === 'id')
    return { by: { build: 'builds', why: 'builds', item: 'items', agent: 'agents' } };
  throw new Error(`scripts/docs/completion.ts: expected what completes <${name}> of drover ${group} ${verb ?? ''}`);
}
