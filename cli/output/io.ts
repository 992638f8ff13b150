import { fstatSync } from 'node:fs';
import { wantsColour } from './colour.ts';
import { safeText } from './safe-text.ts';

/** Everything of the outside that a command touches, so that tests can stand in for a terminal. */
export interface Io {
  /** Writes to standard output. */
  out(text: string): void;
  /** Writes bytes as they are to standard output; resolves when there is room for more. */
  write(bytes: Uint8Array): Promise<void>;
  /** Writes to standard error: progress, warnings, errors. */
  err(text: string): void;
  readonly stdin: AsyncIterable<Uint8Array | string>;
  readonly environment: NodeJS.ProcessEnv;
  /** Whether standard output is a terminal. */
  readonly terminal: boolean;
  /** Columns of the terminal that standard output is; `undefined` where it is none, or does not say. */
  columns(): number | undefined;
  /** The same of its lines. */
  lines(): number | undefined;
  /** Whether standard output takes colours. */
  readonly colour: boolean;
  /** Whether standard error is a terminal, fit for a moving bar. */
  readonly interactive: boolean;
  /** Permission bits of the file that standard output goes to; `undefined` where it is no file. */
  outFileMode?(): number | undefined;
  /** Device and inode of what standard error goes to, `8:1234`; `undefined` where that cannot be told. */
  errInode?(): string | undefined;
  /** Told that an answer from this URL was read: what then goes wrong may come of it. */
  answered?(url: string): void;
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Aborts on Ctrl-C (SIGINT) and SIGTERM, with its name as the reason. Asking for it means that the command ends by itself then, with {@link interruptedCode}; a second signal ends the process. */
  interrupted(): AbortSignal;
}

/** Exit code of a command that a signal has ended: what a shell says of a process that dies of it, 128 and its number. */
export function interruptedCode({ reason }: Pick<AbortSignal, 'reason'>): number {
  return reason === 'SIGTERM' ? 143 : 130;
}

/**
 * The same, with no text steering a terminal: the last line of defence where a name, a message or a hint was printed as it came. Bytes
 * are for the command that writes them to look after.
 */
export function safeIo(io: Io): Io {
  return {
    ...io,
    out: (text) => io.out(safeText(text, io.colour)),
    err: (text) => io.err(safeText(text, io.colour)),
  };
}

export function processIo(): Io {
  const { env, stdout, stderr, stdin } = process;
  return {
    out: (text) => void stdout.write(text),
    write: (bytes) =>
      new Promise((resolve) => {
        if (stdout.write(bytes)) resolve();
        else stdout.once('drain', resolve);
      }),
    err: (text) => void stderr.write(text),
    stdin,
    environment: env,
    terminal: stdout.isTTY === true,
    columns: () => (stdout.isTTY === true ? stdout.columns || undefined : undefined),
    lines: () => (stdout.isTTY === true ? stdout.rows || undefined : undefined),
    colour: wantsColour(process.argv.slice(2), env, stdout.isTTY === true),
    interactive: stderr.isTTY === true && env.TERM !== 'dumb',
    errInode() {
      try {
        const { dev, ino } = fstatSync(stderr.fd);
        return `${dev}:${ino}`;
      } catch {
        return undefined;
      }
    },
    outFileMode() {
      try {
        const found = fstatSync(stdout.fd);
        return found.isFile() ? found.mode & 0o777 : undefined;
      } catch {
        return undefined;
      }
    },
    now: () => Date.now(),
    interrupted() {
      const controller = new AbortController();
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => controller.abort(signal));
      return controller.signal;
    },
  };
}
