import { runCli } from '../../../cli/program.ts';
import { testIo } from '../../cli/support/run-cli.ts';
import { commandEnvironment } from './process.ts';
import { createSaid } from './said.ts';

export interface CommandEnd {
  readonly code: number | null;
  readonly stdout: string;
  /** Everything it wrote to both outputs. */
  readonly said: string;
}

/** A command line of `drover` that runs in this process: the start of a process takes more than most commands do, and than most of what a coordinator does. */
export interface Command {
  readonly running: boolean;
  /** Everything it wrote to both outputs so far. */
  said(): string;
  /** Resolves once what it said matches, or with `undefined` if it ends without. */
  says(pattern: RegExp): Promise<RegExpExecArray | undefined>;
  readonly ended: Promise<CommandEnd>;
  /** Interrupts it as SIGTERM would, and resolves once it has ended. */
  stop(): Promise<CommandEnd>;
}

/** Runs it without a terminal, by the real clock. */
export function startCommand(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>> = {},
): Command {
  const interrupt = new AbortController();
  const { io, written } = testIo({ interrupted: interrupt.signal });
  const lastWords = process.listeners('uncaughtException');
  let running = true;
  const said = createSaid();
  async function run(): Promise<CommandEnd> {
    try {
      const code = await runCli(args, {
        ...io,
        environment: commandEnvironment(environment),
        now: Date.now,
        out(text) {
          io.out(text);
          said.add(text);
        },
        err: said.add,
      });
      return { code, stdout: written.out, said: said.text() };
    } finally {
      running = false;
      said.end();
      // What a server has set for its process.
      for (const listener of process.listeners('uncaughtException'))
        if (!lastWords.includes(listener)) process.off('uncaughtException', listener);
    }
  }
  const ended = run();
  // Whoever waits for the end hears of it; nobody has to.
  ended.catch(() => {});

  return {
    get running() {
      return running;
    },
    said: said.text,
    says: said.says,
    ended,
    stop() {
      interrupt.abort('SIGTERM');
      return ended;
    },
  };
}
