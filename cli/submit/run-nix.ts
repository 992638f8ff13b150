import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { CliError } from '../output/cli-error.ts';

export interface NixCallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Where its messages go as they come. */
  readonly onMessage: (text: string) => void;
  /** What needs it, in the hint where there is none: `--expr`. */
  readonly neededBy: string;
  /** Whose program it is, if not Nix's. */
  readonly of?: 'Nix' | 'Guix';
}

export interface NixCall {
  /** Exit code; `null` where a signal that was not ours has ended it. */
  readonly code: number | null;
  readonly output: string;
  /** All of its messages. */
  readonly said: string;
}

/** Runs a program of Nix or Guix to its end, which comes with `signal`; rejects with the reason of that then, and with a {@link CliError} where there is no such program. */
export async function runNix(
  program: string,
  args: readonly string[],
  { signal, onMessage, neededBy, of: whose = 'Nix' }: NixCallOptions,
): Promise<NixCall> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...(signal && { signal }) });
  child.stdout.setEncoding('utf8');
  child.stderr.setEncoding('utf8');
  let output = '';
  let said = '';
  child.stdout.on('data', (text: string) => {
    output += text;
  });
  child.stderr.on('data', (text: string) => {
    said += text;
    // It warns at each call that its result is not rooted, which does not matter: the derivations are sent at once.
    if (!/you did not specify '--add-root'/.test(text)) onMessage(text);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  }).catch((error: NodeJS.ErrnoException) => {
    signal?.throwIfAborted();
    throw new CliError(`no-${whose.toLowerCase()}`, `cannot run ${program}: ${error.message}`, {
      hint: `${neededBy} needs ${whose} on PATH`,
      cause: error,
    });
  });
  signal?.throwIfAborted();
  return { code, output, said };
}

/** The arguments by which a program of Nix takes the store of a folder for its own. */
export function storeArguments(storeRoot: string | undefined): readonly string[] {
  return storeRoot === undefined ? [] : ['--store', `local?root=${resolve(storeRoot)}`];
}
