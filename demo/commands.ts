import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
/** The command of this folder; `npm test` has made a program of it that starts in less time. */
const { DROVER_TEST_PROGRAM: cli = fileURLToPath(new URL('../cli/bin.js', import.meta.url)) } = process.env;

export interface RunOptions {
  /** Not shown before it runs, as it is a question of the demo's and no step of it. */
  readonly quiet?: boolean;
  /** What it reads from its standard input. */
  readonly input?: Uint8Array;
  /** How to write the arguments where all of them would be too many. */
  readonly shownAs?: string;
}

/** Runs programs in the foreground, as a user would, and shows what it runs. */
export interface Commands {
  /** Added to the environment of what is run from now on. */
  readonly environment: NodeJS.ProcessEnv;
  /** Ends what runs, and everything after it. */
  readonly signal: AbortSignal;
  /** Resolves with standard output, standard error goes to the terminal. Rejects if it does not exit with 0. */
  run(command: string, args: readonly string[], options?: RunOptions): Promise<Buffer>;
}

export function createCommands(
  environment: NodeJS.ProcessEnv,
  say: (line: string) => void,
  signal: AbortSignal,
): Commands {
  return {
    environment,
    signal,
    run(command, args, { quiet = false, shownAs, input } = {}) {
      signal.throwIfAborted();
      if (!quiet) say(`$ ${shownAs ?? commandLine(command, args)}`);
      const [program, actual] = programOf(command, args);
      return new Promise((resolve, reject) => {
        const child = spawn(program, actual, { cwd: root, env: environment, stdio: ['pipe', 'pipe', 'inherit'] });
        // One that ends without having read it says why by its exit code.
        child.stdin.on('error', () => {}).end(input);
        const chunks: Buffer[] = [];
        child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
        const stop = () => void child.kill('SIGTERM');
        signal.addEventListener('abort', stop, { once: true });
        child.on('error', reject);
        child.on('close', (code, killedBy) => {
          signal.removeEventListener('abort', stop);
          if (signal.aborted) reject(signal.reason);
          else if (code === 0) resolve(Buffer.concat(chunks));
          else
            reject(
              new Error(`${shownAs ?? commandLine(command, args)}: ended with ${killedBy ?? `exit code ${code}`}`),
            );
        });
      });
    },
  };
}

/** `drover` is the program of this folder, run by this very Node. */
export function programOf(
  command: string,
  args: readonly string[],
): readonly [program: string, args: readonly string[]] {
  return command === 'drover' ? [process.execPath, [cli, ...args]] : [command, args];
}

/** As one would type it into a shell in this folder. */
export function commandLine(command: string, args: readonly string[]): string {
  return [command === 'drover' ? 'npx drover' : command, ...args.map(quote)].join(' ');
}

export function quote(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", `'\\''`)}'`;
}
