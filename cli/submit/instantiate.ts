import { CliError } from '../output/cli-error.ts';
import { runNix, storeArguments } from './run-nix.ts';

export interface InstantiateOptions {
  /** A file, or the text of an expression. */
  readonly from: { readonly file: string } | { readonly text: string };
  readonly attributes: readonly string[];
  /** What it takes besides, as it takes it: `--argstr`, name, text. */
  readonly extra?: readonly string[];
  readonly storeRoot?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Where the evaluator's messages go. */
  readonly onMessage: (text: string) => void;
}

/** Store paths of the derivations that a Nix expression evaluates to, by `nix-instantiate`, each with the output that is meant: `DRV!out`. It is ended when `signal` aborts. */
export async function instantiate({
  from,
  attributes,
  extra = [],
  storeRoot,
  signal,
  onMessage,
}: InstantiateOptions): Promise<readonly string[]> {
  const expression = 'file' in from ? [from.file] : ['-E', from.text];
  const wanted = attributes.flatMap((attribute) => ['-A', attribute]);
  const { code, output } = await runNix(
    'nix-instantiate',
    [...storeArguments(storeRoot), ...expression, ...wanted, ...extra],
    { signal, onMessage, neededBy: '--expr' },
  );
  if (code !== 0) {
    const what = 'file' in from ? from.file : 'of the expression';
    throw new CliError('evaluation-failed', `nix-instantiate ${what} failed with exit code ${code}`);
  }
  const paths = output.split('\n').filter((line) => line !== '');
  // It leaves out the name of the output that derivations with a single one have.
  return [...new Set(paths.map((path) => (path.includes('!') ? path : `${path}!out`)))];
}
