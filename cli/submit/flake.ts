import { CliError } from '../output/cli-error.ts';
import { runNix, storeArguments } from './run-nix.ts';

export interface FlakeOptions {
  /** What `nix build` takes: `.#hello`, `path:/src`, `REF#attr^out,dev`. */
  readonly reference: string;
  /** What it takes besides, as it takes it: `--impure`. */
  readonly extra?: readonly string[];
  readonly storeRoot?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Where the evaluator's messages go. */
  readonly onMessage: (text: string) => void;
}

/** The outputs that `nix build` builds of a derivation: the one that was selected, what its `meta` names, or `out`. */
const derivationWithOutputs = `drv:
  if !(builtins.isAttrs drv && drv.type or null == "derivation") then throw "expected a derivation"
  else "\${drv.drvPath}!\${builtins.concatStringsSep "," (
    if drv.outputSpecified or false then [ drv.outputName ] else drv.meta.outputsToInstall or [ "out" ]
  )}"`;

/** What Nix says that knows no flakes: before 2.4 the flag, the command or the feature is unknown to it. */
const withoutFlakes =
  /(unrecogni[sz]ed|unknown) (flag|option|experimental feature)|'eval' is not a recogni[sz]ed command/;

/** The derivation that an attribute of a flake is, by `nix eval`, with the outputs that are meant: `DRV!out`. The features that this needs are switched on for the call. */
export async function evaluateFlake({
  reference,
  extra = [],
  storeRoot,
  signal,
  onMessage,
}: FlakeOptions): Promise<string> {
  const [, attribute = reference, outputs] = /^(.*)\^(\*|[^/#^]+)$/.exec(reference) ?? [];
  const features = ['--extra-experimental-features', 'nix-command flakes'];
  const args = [...features, ...storeArguments(storeRoot), 'eval', '--raw', ...extra];
  const { code, output, said } = await runNix('nix', [...args, attribute, '--apply', derivationWithOutputs], {
    signal,
    onMessage,
    neededBy: '--flake',
  });
  if (code === 0) return outputs === undefined ? output : `${output.replace(/!.*$/s, '')}^${outputs}`;
  if (withoutFlakes.test(said))
    throw new CliError('no-flakes', `cannot evaluate ${reference}: the Nix of this machine has no flakes`, {
      hint: '--flake needs Nix 2.4 or later on PATH',
    });
  throw new CliError('evaluation-failed', `nix eval ${attribute} failed with exit code ${code}`);
}
