import { retry, submitAgain } from '../../projections/blockers.ts';
import { buildId } from '../../projections/builds.ts';
import type { Item } from '../../projections/graph.ts';
import { findKeepChain, type KeepChain } from '../../projections/keep-chain.ts';
import type { KeepReason } from '../../projections/kept.ts';
import { describeLoss } from '../../projections/losses.ts';
import { describeNeed } from '../../projections/needed.ts';
import { unforgotten } from '../../projections/unforgotten.ts';
import type { Core } from '../core.ts';
import { DroverError } from '../errors.ts';
import { pastItem } from '../history/past.ts';
import type { InSlices } from '../slices.ts';
import type { Intake } from '../submissions/intake.ts';
import type { Deletions } from './deletions.ts';

/** Why an item is here, or not. */
export interface ItemWhy {
  readonly item: string;
  readonly state: 'present' | 'unpublished' | 'gone';
  /** What keeps it from being collected; absent where nothing does. */
  readonly reason?: KeepReason;
  /** From what is kept for itself down to the item, each referring to the next. */
  readonly chain: readonly string[];
  readonly root?: string;
  readonly build?: string;
  /** Until when the reason holds, or when the bytes of what is unpublished go; milliseconds since the Unix epoch. */
  readonly until?: number;
  /** When the next collection of the schedule comes. */
  readonly nextCollection?: number;
  /** All that in a sentence. */
  readonly summary: string;
}

/**
 * What keeps an item from being collected, or when it goes.
 *
 * @param nextCollection when the next one of the schedule comes.
 * @throws DroverError `unknown-item`: it was never here, and no known derivation makes it.
 */
export async function whyItem(
  core: Pick<Core, 'farm' | 'log' | 'policy' | 'runtime'>,
  deletions: Pick<Deletions, 'needSources'>,
  intake: Pick<Intake, 'promised'>,
  inSlices: InSlices,
  nextCollection: number | undefined,
  path: string,
): Promise<ItemWhy> {
  const { farm, policy, runtime } = core;
  const { graph, availability, unpublished, details } = farm;
  const { olderThanSeconds = policy.cacheTtlSeconds, buildInputs } = policy.collection;
  const recentFrom = runtime.clock.now() - olderThanSeconds * 1000;
  const promised = new Set(intake.promised());
  const options = { buildInputs, promised: (one: number) => promised.has(one) };
  let item = graph.itemOf(path);
  function* look(): Generator<undefined, KeepChain | undefined> {
    item = graph.itemOf(path);
    const sources = { ...deletions.needSources(), farm };
    return item === undefined ? undefined : yield* findKeepChain(sources, item, recentFrom, options);
  }
  // Its row may be another's by then.
  const found = await inSlices(unforgotten(farm, look, () => graph.itemOf(path) === item));
  if (item === undefined) return whyForgotten(core, path);
  const next = nextCollection === undefined ? {} : { nextCollection };
  const going = unpublished.get(item);
  if (going !== undefined) {
    const when = `its bytes go at ${iso(going.until)}`;
    const name = farm.tokens.get(going.by)?.name;
    const who = name === undefined ? '' : ` by ${name} (${going.by})`;
    return {
      ...told(),
      state: 'unpublished',
      until: going.until,
      summary: `It is being deleted${who}, and ${when}: ${going.reason}.${keeper()}`,
    };
  }
  const upstream = farm.upstreams.get(item)?.upstream;
  if (upstream !== undefined)
    return {
      ...told(),
      state: 'gone',
      summary: `It is not in the pool: the upstream ${upstream} has it, from where it is fetched where it is needed.${keeper()}`,
    };
  if (!availability.isPresent(item))
    return { ...told(), state: 'gone', summary: `It is not here.${keeper()} ${remedy(item)}` };
  if (found === undefined)
    return {
      ...told(),
      ...next,
      state: 'present',
      summary: `Nothing keeps it: the next collection takes it${nextCollection === undefined ? ', and none is scheduled' : `, at ${iso(nextCollection)}`}.`,
    };
  return {
    ...told(),
    ...(found.reason === 'recent' && next),
    state: 'present',
    summary: `It is kept: ${because(found)}.`,
  };

  function told(): Omit<ItemWhy, 'state' | 'summary'> {
    if (found === undefined) return { item: path, chain: [] };
    const { reason, chain, need } = found;
    return {
      item: path,
      reason,
      chain: chain.map(graph.itemPath),
      ...(need?.kind === 'root' && { root: need.root }),
      ...(need?.kind === 'build' && { build: buildId(need.build) }),
      ...untilOf(found),
    };
  }

  /** What keeps what is not here is what will want it. */
  function keeper(): string {
    return found === undefined ? '' : ` It would be kept: ${because(found)}.`;
  }

  /** What makes it be here, or would. */
  function remedy(gone: Item): string {
    const producer = farm.producers.of(gone);
    if (producer === undefined)
      return `No known derivation makes it; 'drover push ${farm.details.get(gone)?.storeDir ?? policy.storeDir}/${path}' sends it, from where it is.`;
    const build = farm.queue.unfinished(producer);
    if (build !== undefined) return `Build ${buildId(build)} makes it.`;
    const last = farm.queue.latest(producer);
    return `'${last === undefined ? submitAgain(graph.drvPath(producer)) : retry(buildId(last))}' would make it.`;
  }

  function untilOf({ reason, chain, need }: KeepChain): { readonly until?: number } {
    const first = chain[0] as number;
    if (reason === 'recent') return { until: details.addedAt(first) + olderThanSeconds * 1000 };
    const end = need?.kind === 'root' ? farm.roots.get(need.root)?.state.targets.get(graph.itemPath(first)) : undefined;
    return end === undefined || end === Number.POSITIVE_INFINITY ? {} : { until: end };
  }

  function because(kept: KeepChain): string {
    const { need, chain, reason } = kept;
    const first = graph.itemPath(chain[0] as number);
    const { until } = untilOf(kept);
    const end = until === undefined ? '' : `, until ${iso(until)}`;
    const whom = chain.length === 1 ? 'it' : first;
    const through =
      chain.length === 1
        ? ''
        : `${first} refers to it${chain.length > 2 ? ` through ${chain.length - 2} others` : ''}, and `;
    if (need === undefined) {
      if (reason === 'recent') return `${through}${whom} is new${end}`;
      return `${through}a client that is about to submit was told that ${whom} is here`;
    }
    return `${through}${describeNeed(farm, need).replace(/\bit\b/, whom)}${end}`;
  }
}

/** Of an item that went long ago. */
async function whyForgotten(core: Pick<Core, 'farm' | 'log' | 'policy'>, path: string): Promise<ItemWhy> {
  const { farm, policy } = core;
  const past = farm.forgetting.items === 0 ? undefined : await pastItem(core, path);
  if (past === undefined) throw new DroverError('unknown-item', `there is no store item ${path}`);
  const { loss, deriver } = past;
  const name = loss?.by === undefined ? undefined : farm.tokens.get(loss.by)?.name;
  const how = loss === undefined ? '' : `: it ${describeLoss({ ...loss, ...(name !== undefined && { name }) })}`;
  const remedy =
    deriver === undefined
      ? `'drover push ${policy.storeDir}/${path}' sends it, from where it is.`
      : `'${submitAgain(deriver)}' would make it.`;
  return { item: path, chain: [], state: 'gone', summary: `It is not here${how}. ${remedy}` };
}

const iso = (at: number): string => new Date(at).toISOString();
