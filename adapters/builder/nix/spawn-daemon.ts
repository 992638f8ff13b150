import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { BuilderError } from '../../../agent/ports/builder.ts';
import { descendants, killAndWait } from '../daemon/process-tree.ts';
import type { Transport } from '../daemon/transport.ts';

export interface StdioOptions {
  /** Program, for example `nix-daemon`. */
  readonly program: string;
  /** All of its environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** How long a daemon whose input was closed may take to stop its builder before everything is killed. */
  readonly graceMs: number;
  /** Called once the daemon and what it ran are gone, before {@link Transport.close} resolves. */
  readonly gone: (pid: number) => Promise<void>;
}

/** How much is kept of what a daemon complains, in characters: one that crashes says why, and then a long stack. */
const mostComplaint = 16_000;

/** Starts `nix-daemon --stdio`, which trusts us, for one conversation. */
export async function spawnDaemon({ program, environment, graceMs, gone: tidy }: StdioOptions): Promise<Transport> {
  const child = spawn(program, ['--stdio'], {
    env: environment,
    stdio: ['pipe', 'pipe', 'pipe'],
    // A group of its own: a signal to ours (Ctrl-C) is not for the builds.
    detached: true,
  });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-mostComplaint);
  });
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
  try {
    await once(child, 'spawn');
  } catch (error) {
    throw new BuilderError('unavailable', `cannot start ${program}: ${messageOf(error)}`, { cause: error });
  }
  const pid = child.pid as number;
  // Errors of the pipes show as an end of the conversation; without a listener they would end the process.
  child.stdin.on('error', () => {});
  child.stdout.on('error', () => {});
  async function close(): Promise<void> {
    // Seeing its input closed, the daemon kills its builder and exits.
    child.stdin.destroy();
    child.stdout.destroy();
    let killed: Promise<void> | undefined;
    const timer = setTimeout(() => {
      // Builders first: afterwards nobody could say whose they were.
      killed = descendants(pid).then((builders) => killAndWait([...builders, pid]));
    }, graceMs);
    await gone;
    clearTimeout(timer);
    await killed;
    await tidy(pid);
  }
  return {
    input: child.stdout,
    output: child.stdin,
    get alive() {
      return child.exitCode === null && child.signalCode === null;
    },
    complaint: () => complaint.trim(),
    close,
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
