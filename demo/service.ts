import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { programOf } from './commands.ts';

export interface ServiceOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  /** Takes what the program writes: it may go on when the demo has ended. */
  readonly logFile: string;
  /** Whether its standard input ends when the demo does, however that ends. */
  readonly attended: boolean;
  /** Called when the program ends without having been asked to. */
  readonly onLost: (how: string) => void;
}

/** A program in the background. */
export interface Service {
  readonly name: string;
  readonly pid: number;
  /** As {@link ServiceOptions} says it. */
  readonly attended: boolean;
  /** Resolves with the first match in what the program writes; rejects when `signal` aborts or it takes too long. */
  says(pattern: RegExp, signal: AbortSignal): Promise<RegExpExecArray>;
  log(): Promise<string>;
  /** Asks it to end, kills it when it does not, and resolves when it is gone. */
  stop(): Promise<void>;
  /** Lets the demo end without it. */
  leave(): void;
}

const startLimitMs = 60_000;
/** How long a program may take to end when it was asked to once, and in all. */
const askAgainMs = 3_000;
const stopLimitMs = 10_000;

/** Starts a program in a process group of its own: Ctrl-C reaches the demo alone, which then stops things in order. */
export async function startService(options: ServiceOptions): Promise<Service> {
  const { name, command, environment, logFile, attended, onLost } = options;
  const [program, args] = programOf(command, options.args);
  await using log = await open(logFile, 'a');
  const input = attended ? 'pipe' : 'ignore';
  const child = spawn(program, args, { env: environment, detached: true, stdio: [input, log.fd, log.fd] });
  let asked = false;
  const ended = new Promise<void>((resolve) => {
    child.once('exit', (code, signal) => {
      resolve();
      if (!asked) onLost(signal ?? `exit code ${code}`);
    });
  });
  await once(child, 'spawn');
  const pid = child.pid as number;
  const readLog = () => readFile(logFile, 'utf8');

  return {
    name,
    pid,
    attended,
    async says(pattern, signal) {
      const limit = Date.now() + startLimitMs;
      while (Date.now() < limit) {
        const match = pattern.exec(await readLog());
        if (match !== null) return match;
        await sleep(50);
        signal.throwIfAborted();
      }
      throw new Error(`${name}: not up after ${startLimitMs / 1000} s`);
    },
    log: readLog,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      asked = true;
      child.kill('SIGTERM');
      // An agent that cannot hand its builds back, as the coordinator is gone, leaves when it is asked twice.
      const again = setTimeout(() => child.kill('SIGTERM'), askAgainMs);
      const late = setTimeout(() => killGroup(pid), stopLimitMs);
      await ended;
      clearTimeout(again);
      clearTimeout(late);
    },
    leave() {
      asked = true;
      child.unref();
    },
  };
}

export function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
