import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { BuilderError } from '../../../agent/ports/builder.ts';
import { descendants, killAndWait } from './process-tree.ts';

/** The two directions of a conversation with one daemon process. */
export interface Transport {
  readonly input: Readable;
  readonly output: Writable;
  /** False once the daemon is known to be gone. */
  readonly alive: boolean;
  /** What the daemon has written to its standard error. */
  complaint(): string;
  /** Ends the conversation. Resolves once the daemon process is gone, and with it what it ran, where that can be seen. */
  close(): Promise<void>;
}

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

/** Connects to a daemon's socket. What it runs for a connection it kills when that is closed. */
export async function connectDaemon(path: string): Promise<Transport> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
  } catch (error) {
    throw new BuilderError('unavailable', `cannot reach a Nix daemon at ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  socket.on('error', () => {});
  return {
    input: socket,
    output: socket,
    get alive() {
      return !socket.destroyed;
    },
    complaint: () => '',
    async close() {
      if (socket.closed) return;
      const closed = once(socket, 'close');
      socket.destroy();
      await closed;
    },
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
