import type { SubmitResult } from '../../coordinator/application.ts';
import type { CheckUpstream } from '../../coordinator/upstreams/closure-search.ts';
import type { Tags } from '../../domain/event.ts';
import type { BuildOptions } from '../../domain/submission/events.ts';
import type { Client } from '../http/client.ts';
import { CliError } from '../output/cli-error.ts';
import { inFlags } from '../output/place.ts';
import { plural } from '../output/text.ts';
import { type Closure, readClosure } from './closure.ts';
import type { DerivationSource } from './derivation-source.ts';
import type { Progress } from './progress.ts';
import { send } from './send.ts';
import { limitsOf, missingDerivations, uploadDerivations } from './upload-derivations.ts';
import { type SourcesResult, uploadSources } from './upload-sources.ts';

export interface SubmitPlan {
  /** Base names. */
  readonly roots: readonly string[];
  /** Tags of single roots. */
  readonly rootTags?: Readonly<Record<string, Tags>>;
  readonly options: BuildOptions;
  readonly inputs: boolean;
  readonly force: boolean;
  readonly checkUpstream?: CheckUpstream;
  readonly root?: { readonly name: string; readonly keepSeconds?: number };
}

export interface Submitted extends SubmitResult {
  readonly uploadedDerivations: number;
  readonly uploadedSources: number;
  /** Sources that neither the coordinator nor this machine has. */
  readonly absentSources: readonly string[];
}

/**
 * Sends what the coordinator lacks of the closure of some derivations, then submits them, with `steady`, whose requests no signal ends.
 * Rejects when `signal` aborts before that.
 *
 * @param traceparent the trace that the submission goes on with.
 */
export async function submit(
  client: Client,
  steady: Client,
  plan: SubmitPlan,
  source: DerivationSource,
  progress: Progress,
  signal: AbortSignal,
  traceparent?: string,
): Promise<Submitted> {
  let closure: { readonly roots: readonly string[]; readonly all: Closure } | undefined;
  const closureOf = async (roots: readonly string[]): Promise<Closure> => {
    if (closure?.roots.length !== roots.length) {
      progress.begin('reading derivations');
      const limits = await limitsOf(client);
      const onRead = (count: number): void => {
        signal.throwIfAborted();
        progress.update(count);
      };
      closure = { roots, all: await readClosure(roots, source, onRead, limits) };
    }
    return closure.all;
  };

  // A root that is held has its whole closure there, as inputs go in first.
  let uploadedDerivations = 0;
  const missingRoots = await missingDerivations(client, plan.roots);
  if (missingRoots.length > 0) {
    const all = await closureOf(missingRoots);
    uploadedDerivations = await uploadDerivations(client, all, source, {
      onStart: (total) => progress.begin('sending derivations', total),
      onSent: (sent) => progress.update(sent),
    });
    if (uploadedDerivations > 0) progress.line(`sent ${plural(uploadedDerivations, 'derivation')}`);
  }

  const { missing } = await client.send<{ missing: readonly string[] }>('POST', '/v1/sources/missing', {
    roots: plan.roots,
    ...(plan.checkUpstream !== undefined && { checkUpstream: plan.checkUpstream }),
  });
  let sources: SourcesResult = { uploaded: 0, absent: [] };
  if (missing.length > 0) {
    const candidates = await candidatesOf(() => closureOf(plan.roots), missing);
    progress.begin('sending sources', missing.length);
    sources = await uploadSources(client, missing, candidates, source, {
      onDone: (done) => progress.update(done),
      onTrouble: (text) => progress.line(text),
      signal,
    });
    if (sources.uploaded > 0) progress.line(`sent ${plural(sources.uploaded, 'source')}`);
  }

  signal.throwIfAborted();
  const result = await send(steady, plan, signal, progress.line, traceparent).catch((error: unknown) => {
    throw inFlags(error, { 'options.deferUntil': '--defer-until', 'root.keepSeconds': '--keep' });
  });
  return { ...result, uploadedDerivations, uploadedSources: sources.uploaded, absentSources: sources.absent };
}

/** What a source may refer to; where the derivations are at the coordinator only, the sources that are missing have to do. */
async function candidatesOf(
  wholeClosure: () => Promise<Closure>,
  missing: readonly string[],
): Promise<ReadonlySet<string>> {
  try {
    return new Set([...(await wholeClosure()).sources, ...missing]);
  } catch (error) {
    if (error instanceof CliError && error.code === 'not-found') return new Set(missing);
    throw error;
  }
}
