import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { unhandledMessage } from '../../../cli/output/last-words.ts';
import { endWithUs } from '../end-with-us.ts';
import { createSaid } from './said.ts';

/** What is in the clone; `npm test` has made a program of it that starts in less time. */
const sources = fileURLToPath(new URL('../../../cli/main.ts', import.meta.url));

/** A real process in a process group of its own, and what it said. */
export interface Process {
  readonly pid: number;
  /** Everything it wrote to both outputs so far. */
  said(): string;
  readonly stdout: () => string;
  /** Resolves once what it said matches, or with `undefined` if it exits without. */
  says(pattern: RegExp): Promise<RegExpExecArray | undefined>;
  /** Resolves once it is gone and its outputs are closed. */
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  readonly running: boolean;
  /** Sends a signal to the process alone. */
  kill(signal: NodeJS.Signals): void;
  /** `kill -9` of it and of all that it started and left in its group; resolves once it is gone. */
  killGroup(): Promise<void>;
}

export interface ProcessOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  readonly input?: string;
}

/** What processes of ours said when they ended by an error that nobody handled: always a bug, whatever a test looks for. */
const unhandled: string[] = [];
/** Of the servers' own last words, and of Node's: whatever it ends for, its version comes after the stack. */
const unhandledPattern = new RegExp(`${unhandledMessage}|^Node\\.js v\\d+\\.\\d+\\.\\d+$`, 'm');
/** Those since the last question. */
export const takeUnhandled = (): string[] => unhandled.splice(0);
process.on('exit', () => {
  if (unhandled.length === 0) return;
  console.error(unhandled.join('\n'));
  process.exitCode = 1;
});

/** Ids of the groups that run: they go with this process. */
const groups = new Set<number>();
endWithUs(() => {
  for (const group of groups) if (group > 1) process.kill(-group, 'SIGKILL');
});

/** Runs `drover` as a user would: the command line in a process of its own. */
export function startDrover(args: readonly string[], options: ProcessOptions = {}): Process {
  const { DROVER_TEST_PROGRAM: program = sources } = process.env;
  return startProcess(process.execPath, [program, ...args], options);
}

export function startProcess(command: string, args: readonly string[], options: ProcessOptions = {}): Process {
  const child: ChildProcess = spawn(command, args, {
    detached: true,
    cwd: options.cwd,
    env: commandEnvironment(options.env),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const said = createSaid();
  let stdout = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    said.add(text);
  });
  child.stderr?.setEncoding('utf8').on('data', said.add);
  child.stdin?.on('error', () => {});
  groups.add(child.pid ?? 0);
  child.stdin?.end(options.input ?? '');
  let running = true;
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve, reject) => {
    child.once('error', reject);
    // Not `close`: what it started may hold its outputs open for longer than it lives.
    child.once('exit', async (code, signal) => {
      running = false;
      groups.delete(child.pid ?? 0);
      // The end may be heard of before what was written last: of two signals in one, the second brings more than was asked for.
      let before: number;
      do {
        before = said.text().length;
        for (let turn = 0; turn < 2; turn++) await new Promise((next) => setImmediate(next));
      } while (said.text().length > before);
      const all = said.text();
      const at = all.search(unhandledPattern);
      if (at >= 0) unhandled.push(`${command} ${args.join(' ')}: ${all.slice(Math.max(0, at - 200), at + 4000)}`);
      resolve({ code, signal });
      said.end();
    });
  });
  // Whoever waits for the end hears of it; nobody has to.
  exited.catch(() => {});

  return {
    pid: child.pid ?? -1,
    said: said.text,
    stdout: () => stdout,
    says: said.says,
    exited,
    get running() {
      return running;
    },
    kill: (signal) => void child.kill(signal),
    async killGroup() {
      // The id of one that is gone, or never was, may be that of a stranger.
      if (!running || child.pid === undefined) return;
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
      await exited.catch(() => {});
    },
  };
}

/** Settings in the environment of whoever runs the tests are no part of them. */
export function commandEnvironment(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const others = Object.entries(process.env).filter(
    ([name]) => !/^(DROVER_|NIX_|NODE_TEST_CONTEXT|NODE_OPTIONS)/.test(name),
  );
  return { ...Object.fromEntries(others), NO_COLOR: '1', ...more };
}
