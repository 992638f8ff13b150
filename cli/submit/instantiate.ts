import { spawn } from 'node:child_process';
import { CliError } from '../output/cli-error.ts';

export interface InstantiateOptions {
  readonly file: string;
  readonly attributes: readonly string[];
  readonly storeRoot?: string | undefined;
  /** Where the evaluator's messages go. */
  readonly onMessage: (text: string) => void;
}

/** Store paths of the derivations that a Nix expression evaluates to, by `nix-instantiate`. */
export async function instantiate({
  file,
  attributes,
  storeRoot,
  onMessage,
}: InstantiateOptions): Promise<readonly string[]> {
  const store = storeRoot === undefined ? [] : ['--store', `local?root=${storeRoot}`];
  const child = spawn('nix-instantiate', [...store, file, ...attributes.flatMap((attribute) => ['-A', attribute])], {
    stdio: ['ignore', 'pipe', 'pipe'],
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
    throw new CliError('no-nix', `cannot run nix-instantiate: ${error.message}`, {
      hint: '--expr needs Nix on PATH',
      cause: error,
    });
  });
  if (code !== 0) throw new CliError('evaluation-failed', `nix-instantiate ${file} failed with exit code ${code}`);
  const paths = output.split('\n').filter((line) => line !== '');
  // `!out` names an output of a derivation; the derivation is what is built.
  return [...new Set(paths.map((path) => path.replace(/!.*$/, '')))];
}
