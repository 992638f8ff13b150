import { spawn } from 'node:child_process';
import { CliError } from '../output/cli-error.ts';

export interface InstantiateOptions {
  readonly file: string;
  readonly attributes: readonly string[];
  readonly storeRoot?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Where the evaluator's messages go. */
  readonly onMessage: (text: string) => void;
}

/** Store paths of the derivations that a Nix expression evaluates to, by `nix-instantiate`, each with the output that is meant: `DRV!out`. It is ended when `signal` aborts. */
export async function instantiate({
  file,
  attributes,
  storeRoot,
  signal,
  onMessage,
}: InstantiateOptions): Promise<readonly string[]> {
  const store = storeRoot === undefined ? [] : ['--store', `local?root=${storeRoot}`];
  const child = spawn('nix-instantiate', [...store, file, ...attributes.flatMap((attribute) => ['-A', attribute])], {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(signal && { signal }),
  });
  child.stdout.setEncoding('utf8');
  child.stderr.setEncoding('utf8');
  let output = '';
  child.stdout.on('data', (text: string) => {
    output += text;
  });
  child.stderr.on('data', (text: string) => {
    // It warns at each call that its result is not rooted, which does not matter: the derivations are sent at once.
    if (!/you did not specify '--add-root'/.test(text)) onMessage(text);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  }).catch((error: NodeJS.ErrnoException) => {
    signal?.throwIfAborted();
    throw new CliError('no-nix', `cannot run nix-instantiate: ${error.message}`, {
      hint: '--expr needs Nix on PATH',
      cause: error,
    });
  });
  signal?.throwIfAborted();
  if (code !== 0) throw new CliError('evaluation-failed', `nix-instantiate ${file} failed with exit code ${code}`);
  const paths = output.split('\n').filter((line) => line !== '');
  // It leaves out the name of the output that derivations with a single one have.
  return [...new Set(paths.map((path) => (path.includes('!') ? path : `${path}!out`)))];
}
