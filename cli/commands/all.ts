import type { Command } from 'commander';
import type { CommandContext } from '../command.ts';

/** Adds a command, with those below it, to the program. */
export type AddCommand = (program: Command, context: CommandContext) => void;

/**
 * What each command at the top is loaded with, in the order of the help. Each alone, as most of the time of a start is what is loaded:
 * one command needs half of what all do.
 */
const commands: Readonly<Record<string, () => Promise<AddCommand>>> = {
  coordinator: async () => (await import('./coordinator.ts')).addCoordinatorCommand,
  agent: async () => (await import('./agent.ts')).addAgentCommand,
  submit: async () => (await import('./submit.ts')).addSubmitCommand,
  push: async () => (await import('./push.ts')).addPushCommand,
  import: async () => (await import('./import.ts')).addImportCommands,
  submissions: async () => (await import('./submissions.ts')).addSubmissionsCommands,
  builds: async () => (await import('./builds.ts')).addBuildsCommands,
  agents: async () => (await import('./agents.ts')).addAgentsCommands,
  items: async () => (await import('./items.ts')).addItemsCommands,
  gc: async () => (await import('./gc.ts')).addGcCommand,
  roots: async () => (await import('./roots.ts')).addRootsCommands,
  upstreams: async () => (await import('./upstreams.ts')).addUpstreamsCommands,
  events: async () => (await import('./events.ts')).addEventsCommands,
  hooks: async () => (await import('./hooks.ts')).addHooksCommands,
  mirror: async () => (await import('./mirror.ts')).addMirrorCommand,
  replay: async () => (await import('./replay.ts')).addReplayCommand,
  tokens: async () => (await import('./tokens.ts')).addTokensCommands,
  keys: async () => (await import('./keys.ts')).addKeysCommands,
  views: async () => (await import('./views.ts')).addViewsCommands,
  log: async () => (await import('./log.ts')).addLogCommands,
  status: async () => (await import('./status.ts')).addStatusCommand,
  login: async () => (await import('./login.ts')).addLoginCommand,
  context: async () => (await import('./context.ts')).addContextCommands,
  config: async () => (await import('./config.ts')).addConfigCommands,
  completion: async () => (await import('./completion.ts')).addCompletionCommand,
  doctor: async () => (await import('./doctor.ts')).addDoctorCommands,
};

export function allCommands(): Promise<AddCommand[]> {
  return Promise.all(Object.values(commands).map((load) => load()));
}

/** What is about the program alone, if there is nothing else. */
const aboutProgram = ['-h', '--help', '-V', '--version', '--color', '--no-color'];

/**
 * Those that a command line can be about: the one that it begins with; the names of all where it asks for the program's help or version; or all of
 * them where it begins with anything else.
 */
export async function commandsFor(argv: readonly string[]): Promise<AddCommand[]> {
  if (argv.every((word) => aboutProgram.includes(word))) return (await import('./named.ts')).namedCommands();
  const [first = ''] = argv;
  const load = Object.hasOwn(commands, first) ? commands[first] : undefined;
  return load === undefined ? allCommands() : [await load()];
}
