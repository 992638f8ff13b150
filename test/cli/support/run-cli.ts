import type { Io } from '../../../cli/output/io.ts';
import { runCli } from '../../../cli/program.ts';

export interface CliRun {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly stdin?: string | AsyncIterable<Uint8Array | string>;
  readonly colour?: boolean;
  /** Whether standard error is a terminal. */
  readonly interactive?: boolean;
  /** Whether standard output is a terminal. */
  readonly terminal?: boolean;
  /** Columns of that terminal. */
  readonly width?: number;
  readonly interrupted?: AbortSignal;
  /** Mode of the file that standard output goes to. */
  readonly outFileMode?: number;
}

/** The clock of all runs in tests. */
export const testNow = Date.UTC(2026, 0, 2, 3, 4, 5);

/** Runs one command line in this process, without a terminal. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<CliRun> {
  const { io, written } = testIo(options);
  const code = await runCli(argv, io);
  return { code, ...written };
}

/** The outside of a command, and what it writes there. */
export function testIo(options: RunOptions): { readonly io: Io; readonly written: { out: string; err: string } } {
  const written = { out: '', err: '' };
  const io: Io = {
    out(text) {
      written.out += text;
    },
    async write(bytes) {
      written.out += Buffer.from(bytes).toString('utf8');
    },
    err(text) {
      written.err += text;
    },
    stdin:
      typeof options.stdin === 'object'
        ? options.stdin
        : (async function* () {
            yield (options.stdin as string | undefined) ?? '';
          })(),
    environment: { ...options.environment },
    terminal: options.terminal ?? false,
    columns: () => options.width,
    lines: () => undefined,
    colour: options.colour ?? false,
    interactive: options.interactive ?? false,
    outFileMode: () => options.outFileMode,
    now: () => testNow,
    interrupted: () => options.interrupted ?? new AbortController().signal,
  };
  return { io, written };
}
