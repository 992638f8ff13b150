import type { Client } from '../http/client.ts';
import { CliError } from '../output/cli-error.ts';
import type { Io } from '../output/io.ts';
import type { DerivationSource } from './derivation-source.ts';
import { guixDerivations } from './guix-build.ts';
import type { Progress } from './progress.ts';
import { readRequests } from './requested.ts';
import { peekStandardInput } from './standard-input.ts';
import type { Wanted, WantedFlags } from './wanted.ts';

/** What the flags of `drover submit` say that is to be built of Guix. */
export interface GuixFlags {
  readonly guix?: true;
  readonly manifest?: readonly string[];
  readonly guixExpression?: readonly string[];
  readonly loadPath?: readonly string[];
  readonly system?: readonly string[];
  readonly dataService?: string;
  readonly revision?: string;
}

export interface GuixContext {
  /** Derivations and sources of this machine. */
  readonly local: DerivationSource;
  readonly client: Client;
  readonly io: Pick<Io, 'stdin' | 'err'>;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** What is wanted, and where its texts and sources come from, which is closed in the end. */
export interface GuixWanted extends Wanted {
  readonly source: DerivationSource;
  /** Of `source`: what it keeps in a folder of its own. */
  readonly opened?: AsyncDisposable;
}

/** Whether it is Guix of which something is wanted. */
export function isGuix({ guix, manifest, guixExpression, dataService }: GuixFlags): boolean {
  return guix === true || manifest !== undefined || guixExpression !== undefined || dataService !== undefined;
}

/** What is to be built of Guix: derivations that are named, are in an archive or a list on standard input, that Guix evaluates to, or that a data service lists. */
export async function findGuixWanted(
  drvs: readonly string[],
  flags: GuixFlags,
  { local, client, io, progress, signal }: GuixContext,
): Promise<GuixWanted> {
  const named = drvs.filter((drv) => drv !== '-');
  // One by one: a call takes no more arguments than its stack has room for.
  const add = (some: readonly string[]): void => some.forEach((one) => void named.push(one));
  const rest = { rootTags: new Map(), notEvaluated: [] } as const;
  const { manifest = [], guixExpression = [], loadPath = [], system = [], dataService, revision } = flags;
  if (named.length < drvs.length) {
    const { isArchive, stdin } = await peekStandardInput(io.stdin, signal);
    if (isArchive) {
      const { readExportSource } = await import('./export-source.ts');
      progress.begin('reading the archive');
      const { storeDir } = local;
      const opened = await readExportSource(stdin as AsyncIterable<Uint8Array>, { storeDir, onRead: progress.update });
      const wanted = named.length > 0 ? named : opened.tops;
      try {
        if (wanted.length === 0) throw noDerivation();
        return { ...rest, requested: readRequests(wanted, opened.source), source: opened.source, opened };
      } catch (error) {
        await opened[Symbol.asyncDispose]();
        throw error;
      }
    }
    const { readStandardInput } = await import('./eval-jobs.ts');
    add((await readStandardInput(stdin, signal)).derivations);
  }
  const extra = [...loadPath.flatMap((dir) => ['-L', dir]), ...system.flatMap((name) => ['-s', name])];
  const common = { extra, signal, onMessage: io.err };
  for (const file of manifest)
    add(await guixDerivations({ ...common, what: [`--manifest=${file}`], flag: '--manifest' }));
  for (const text of guixExpression) add(await guixDerivations({ ...common, what: ['-e', text], flag: '-e' }));
  if (dataService === undefined || revision === undefined) {
    if (named.length === 0) throw wrongUse('expected a derivation to build, got none');
    return { ...rest, requested: readRequests(named, local), source: local };
  }
  const { fetchDerivations, listRevision } = await import('./data-service.ts');
  progress.begin('asking the data service');
  add(await listRevision(dataService, revision, system, signal));
  if (named.length === 0) throw new CliError('not-found', `${dataService} lists no derivation of ${revision}`);
  progress.begin('derivations fetched');
  const requested = readRequests(named, local);
  const opened = await fetchDerivations(
    requested.map(({ derivation }) => derivation),
    { url: dataService, local, client, signal, onFetched: progress.update },
  );
  return { ...rest, requested, source: opened.source, opened };
}

/** That nothing is given that is for Nix, or for another way to say what is wanted. */
export function checkGuixFlags(flags: GuixFlags & WantedFlags): void {
  const { manifest, guixExpression, loadPath, system, dataService, revision } = flags;
  const evaluates = manifest !== undefined || guixExpression !== undefined;
  if (loadPath !== undefined && !evaluates) throw wrongUse('expected --manifest FILE or -e EXPR with --load-path');
  if (system !== undefined && !evaluates && dataService === undefined)
    throw wrongUse('expected --manifest FILE, -e EXPR or --data-service URL with --system');
  if ((dataService === undefined) !== (revision === undefined))
    throw wrongUse('expected --data-service URL and --revision REVISION, got one without the other');
  if (!isGuix(flags)) return;
  for (const [flag, value] of [
    ['--expr', flags.expr],
    ['-E', flags.expression],
    ['-A', flags.attr],
    ['--flake', flags.flake],
    ['--arg', flags.arg],
    ['--argstr', flags.argstr],
    ['-I', flags.include],
    ['--option', flags.option],
    ['--impure', flags.impure],
  ] as const)
    if (value !== undefined) throw wrongUse(`expected no ${flag} with derivations of Guix: it is for Nix`);
}

function noDerivation(): CliError {
  return new CliError('not-found', 'standard input: expected an archive with derivations, got one without', {
    hint: 'guix archive --export -r $(guix build --derivations PACKAGE) | drover submit --guix -',
    exitCode: 2,
  });
}

function wrongUse(message: string): CliError {
  return new CliError('wrong-use', message, { hint: 'drover submit --help', exitCode: 2 });
}
