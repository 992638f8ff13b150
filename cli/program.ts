import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { type CommandContext, withExamples } from './command.ts';
import { type AddCommand, commandsFor } from './commands/all.ts';
import { unlikeDrover } from './http/not-drover.ts';
import { CliError, deniedHint } from './output/cli-error.ts';
import { type Io, safeIo } from './output/io.ts';
import { version } from './version.ts';

/** What the process ends with, in every command. */
export const exitCodes =
  '0 done; 1 it failed, or a build that was waited for did not succeed; 2 wrong use; 70 a coordinator that its watchdog has ended; 77 an agent whose token is not accepted (any more); 130 ended by SIGINT (Ctrl-C), 143 by SIGTERM.';

/** The command line with these commands, each with its help. */
export function buildProgram(context: CommandContext, commands: readonly AddCommand[]): Command {
  const { io } = context;
  const program = new Command('drover');
  program
    .description('Coordinates builds of Nix and Guix derivations over many machines.')
    .version(version(), '-V, --version', 'print the version')
    .option('--no-color', 'print no colours, as NO_COLOR does; for every command')
    .addOption(new Option('--color', 'print colours also where no terminal is, as FORCE_COLOR does'))
    .helpOption('-h, --help', 'print this help')
    .showHelpAfterError('(--help says more)')
    .configureOutput({
      writeOut: io.out,
      writeErr: io.err,
      getOutHasColors: () => io.colour,
      getErrHasColors: () => false,
      // What ends things for good is no guess for a word that is only like it; and that there is --help is said anyway.
      outputError: (text, write) =>
        write(
          text
            .replace(/('(.{0,3})[^']*')\n\(Did you mean (?!\2)(?:remove|delete|revoke|cancel)\?\)/, '$1')
            .replace('\n(Did you mean --help?)', ''),
        ),
    })
    .exitOverride();
  withExamples(program, [
    ['drover coordinator --data /var/lib/drover', 'run a coordinator'],
    ['drover agents add worker-1 --token-file worker-1.token', 'let an agent in'],
    [
      'drover agent --coordinator http://127.0.0.1:8745 --token-file worker-1.token --state /var/lib/drover-agent',
      'run that agent',
    ],
    ['drover submit /nix/store/…-hello-2.12.drv --wait', 'build something'],
    ['drover builds why BUILD', 'why is it not built yet?'],
  ]);
  program.addHelpText('after', `\nExit codes: ${exitCodes}`);

  for (const add of commands) add(program, context);
  return program;
}

/** Runs one command line. Never throws for what a user can do wrong. Resolves with the exit code. */
export async function runCli(argv: readonly string[], process: Io): Promise<number> {
  let answeredBy: string | undefined;
  const answered = (url: string): void => {
    answeredBy = url;
  };
  const io = { ...safeIo(process), answered };
  const context: CommandContext = { io, exitCode: 0 };
  try {
    await buildProgram(context, await commandsFor(argv)).parseAsync([...argv], { from: 'user' });
    return context.exitCode;
  } catch (error) {
    if (error instanceof InvalidArgumentError) {
      // Found by a command, not by commander, which has not said it then.
      io.err(`drover: ${error.message}\n`);
      return 2;
    }
    if (error instanceof CommanderError) {
      // commander has said it already; help and version that were asked for are no failures.
      return error.exitCode === 0 ? 0 : 2;
    }
    // What reads an answer as if it were a coordinator's stumbles over one that is not.
    const stumbled = answeredBy !== undefined && (error instanceof TypeError || error instanceof RangeError);
    return reportError(stumbled ? unlikeDrover(answeredBy as string, error) : error, io);
  }
}

function reportError(error: unknown, io: Io): number {
  if (error instanceof CliError) {
    io.err(`drover: ${error.message} (${error.code})\n`);
    if (error.details !== undefined) io.err(`${error.details}\n`);
    if (error.hint !== undefined) io.err(`hint: ${error.hint}\n`);
    return error.exitCode;
  }
  const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException;
  if (syscall !== undefined) {
    // Of the operating system: its words say it, and a stack only that it was asked.
    io.err(`drover: ${(error as Error).message} (${code})\n`);
    if (code === 'EACCES') io.err(`hint: ${deniedHint}\n`);
    return 1;
  }
  io.err(`drover: unexpected error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return 1;
}
