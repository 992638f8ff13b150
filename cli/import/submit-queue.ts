import type { BuildRow } from '../../coordinator/ports/views.ts';
import type { Client } from '../http/client.ts';
import { eachRow } from '../http/pages.ts';
import type { Refusal } from '../push/send-items.ts';
import type { DerivationSource } from '../submit/derivation-source.ts';
import type { Progress } from '../submit/progress.ts';
import { submit } from '../submit/submit.ts';
import { missingDerivations } from '../submit/upload-derivations.ts';
import type { QueuedBuild } from './guix-build-coordinator.ts';

/** Tags of what was taken over: from where, and which build it was there. */
const fromTag = 'imported-from';
const buildTag = 'imported-build';
const from = 'guix-build-coordinator';

export interface TakenOver {
  readonly submissions: readonly string[];
  /** Derivations whose builds are asked for here now. */
  readonly imported: number;
  /** Derivations whose outputs are here already: no build of them is made, which could have the tags, so that each run finds them anew. */
  readonly available: number;
  /** That an earlier run has taken over. */
  readonly present: number;
  readonly refused: readonly Refusal[];
}

export interface SubmitQueueOptions {
  readonly client: Client;
  /** One whose requests no signal ends. */
  readonly steady: Client;
  readonly source: DerivationSource;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  /** Whether it is only said what would be submitted. */
  readonly dryRun: boolean;
}

/**
 * Submits builds of another coordinator: one submission for each priority, each build with its tags and two that say where it is from. A build whose tags are
 * here already is left alone, so that the same again goes on. What neither the coordinator nor the source has is refused by name, and keeps nothing else back.
 */
export async function submitQueue(
  queued: readonly QueuedBuild[],
  { client, steady, source, progress, signal, dryRun }: SubmitQueueOptions,
): Promise<TakenOver> {
  const known = new Set<string>();
  for await (const { tags } of eachRow<BuildRow>(client, '/v1/builds', { tag: `${fromTag}=${from}` }))
    if (tags[buildTag] !== undefined) known.add(tags[buildTag]);
  const builds = onePerDerivation(queued);
  const fresh = builds.filter(({ uuid }) => !known.has(uuid));
  const lacking = await missingDerivations(
    client,
    fresh.map(({ derivation }) => derivation),
  );
  const missing = new Set(lacking);
  const isHere = ({ derivation }: QueuedBuild) => !missing.has(derivation) || source.read(derivation) !== undefined;
  const refused = fresh
    .filter((build) => !isHere(build))
    .map(({ uuid, derivation }) => ({
      item: uuid,
      code: 'not-found',
      message: `${derivation} is neither here nor at the coordinator`,
    }));

  const byPriority = new Map<number, QueuedBuild[]>();
  for (const build of fresh.filter(isHere)) {
    const priority = Math.max(-1000, Math.min(1000, Math.round(build.priority)));
    const group = byPriority.get(priority);
    if (group) group.push(build);
    else byPriority.set(priority, [build]);
  }
  const submissions: string[] = [];
  let available = 0;
  for (const [priority, group] of dryRun ? [] : [...byPriority].sort(([a], [b]) => b - a)) {
    const plan = {
      roots: group.map(({ derivation }) => derivation),
      rootTags: Object.fromEntries(
        group.map(({ derivation, uuid, tags }) => [derivation, { ...tags, [fromTag]: from, [buildTag]: uuid }]),
      ),
      options: { priority },
      inputs: true,
      force: false,
    };
    const submitted = await submit(client, steady, plan, source, progress, signal);
    submissions.push(submitted.submission);
    available += submitted.available;
  }
  const imported = fresh.length - refused.length - available;
  return { submissions, imported, available, present: builds.length - fresh.length, refused };
}

/** Several builds of one derivation are one here: the first that was submitted, with the highest of their priorities. */
function onePerDerivation(queued: readonly QueuedBuild[]): readonly QueuedBuild[] {
  const first = new Map<string, QueuedBuild>();
  for (const build of queued) {
    const { priority = build.priority, ...known } = first.get(build.derivation) ?? {};
    first.set(build.derivation, { ...build, ...known, priority: Math.max(priority, build.priority) });
  }
  return [...first.values()];
}
