import type { Tags } from '../../domain/event.ts';
import { CliError } from '../output/cli-error.ts';
import type { Io } from '../output/io.ts';
import type { DerivationSource } from './derivation-source.ts';
import type { NotEvaluated } from './eval-jobs.ts';
import { evaluateFlake } from './flake.ts';
import { instantiate } from './instantiate.ts';
import { type Requested, readRequests } from './requested.ts';

/** What the flags of `drover submit` say that is to be built. */
export interface WantedFlags {
  readonly storeRoot?: string;
  readonly expr?: string;
  readonly expression?: string;
  readonly attr?: readonly string[];
  readonly flake?: readonly string[];
  /** Each of these is what the evaluator takes, flag and values. */
  readonly arg?: readonly string[];
  readonly argstr?: readonly string[];
  readonly include?: readonly string[];
  readonly option?: readonly string[];
  readonly impure?: true;
}

export interface Wanted {
  readonly requested: readonly Requested[];
  /** By derivation, base name: what is kept with its build alone. */
  readonly rootTags: ReadonlyMap<string, Tags>;
  /** Attributes that came as lines without a derivation. */
  readonly notEvaluated: readonly NotEvaluated[];
}

/** What is to be built: derivations that are named, are read from standard input, and come of what is evaluated. Throws a {@link CliError} where that is none. */
export async function findWanted(
  drvs: readonly string[],
  flags: WantedFlags,
  source: DerivationSource,
  io: Pick<Io, 'stdin' | 'err'>,
  signal: AbortSignal,
): Promise<Wanted> {
  checkFlags(flags);
  const named: string[] = [];
  const rootTags = new Map<string, Tags>();
  const notEvaluated: NotEvaluated[] = [];
  for (const drv of drvs) {
    if (drv !== '-') {
      named.push(drv);
      continue;
    }
    // Loaded here: the schemas that it reads by are half of what a submission would load.
    const { readStandardInput } = await import('./eval-jobs.ts');
    const read = await readStandardInput(io.stdin, signal);
    // One by one: a call takes no more arguments than its stack has room for.
    for (const one of read.derivations) named.push(one);
    for (const one of read.notEvaluated) notEvaluated.push(one);
    for (const [derivation, tags] of read.tags) rootTags.set(source.resolve(derivation), tags);
  }
  const { storeRoot, attr: attributes = [], flake = [] } = flags;
  const setUp = [...(flags.include ?? []).flatMap((path) => ['-I', path]), ...(flags.option ?? [])];
  const common = { storeRoot, signal, onMessage: io.err };
  for (const from of [
    ...(flags.expr === undefined ? [] : [{ file: flags.expr }]),
    ...(flags.expression === undefined ? [] : [{ text: flags.expression }]),
  ]) {
    const extra = [...setUp, ...(flags.arg ?? []), ...(flags.argstr ?? [])];
    for (const one of await instantiate({ from, attributes, extra, ...common })) named.push(one);
  }
  for (const reference of flake) {
    const extra = [...setUp, ...(flags.impure ? ['--impure'] : [])];
    named.push(await evaluateFlake({ reference, extra, ...common }));
  }
  if (named.length === 0 && notEvaluated.length === 0) throw wrongUse('expected a derivation to build, got none');
  return { requested: readRequests(named, source), rootTags, notEvaluated };
}

/** That nothing is given that what is submitted does not take. */
function checkFlags({ expr, expression, flake, ...flags }: WantedFlags): void {
  const hasExpression = expr !== undefined || expression !== undefined;
  const evaluates = hasExpression || flake !== undefined;
  if (expr !== undefined && expression !== undefined)
    throw wrongUse('expected either --expr FILE or -E TEXT, got both');
  for (const [flag, value] of [
    ['-A', flags.attr],
    ['--arg', flags.arg],
    ['--argstr', flags.argstr],
  ] as const)
    if (value !== undefined && !hasExpression)
      throw wrongUse(
        flake === undefined
          ? `expected --expr FILE or -E TEXT with ${flag}: it is for a Nix expression, and a derivation takes none`
          : `expected --expr FILE or -E TEXT with ${flag}: a flake takes none; REF#attr names an attribute`,
      );
  for (const [flag, value] of [
    ['-I', flags.include],
    ['--option', flags.option],
  ] as const)
    if (value !== undefined && !evaluates)
      throw wrongUse(`expected --expr FILE, -E TEXT or --flake REF with ${flag}: it is for the evaluator`);
  if (flags.impure && flake === undefined)
    throw wrongUse(
      'expected --flake REF with --impure: a Nix expression is evaluated with access to everything anyway',
    );
}

function wrongUse(message: string): CliError {
  return new CliError('wrong-use', message, { hint: 'drover submit --help', exitCode: 2 });
}
