import { buildId } from '../../projections/builds.ts';
import { deletionOutlook } from '../../projections/deletion-outlook.ts';
import type { Item } from '../../projections/graph.ts';
import { describeNeed, eachNeed, findNeeded, type Need } from '../../projections/needed.ts';
import { unforgotten } from '../../projections/unforgotten.ts';
import type { Core } from '../core.ts';
import { DroverError } from '../errors.ts';
import type { Meta } from '../ports/event-store.ts';
import type { InSlices } from '../slices.ts';
import type { Deletions } from './deletions.ts';
import { notInPool } from './not-in-pool.ts';

export interface DeletionWish {
  /** Base names. */
  readonly items: readonly string[];
  readonly reason: string;
  /** Without a wait for clients that have the narinfo; also for what is unpublished already. */
  readonly now?: boolean | undefined;
  /** Also what is needed. */
  readonly force?: boolean | undefined;
  /** Only says what would happen. */
  readonly preview?: boolean | undefined;
  /** Passes over what there is not. */
  readonly skipMissing?: boolean | undefined;
}

/** Who needs a store item: a build, an upload of something that refers to it, or another item that does. */
export interface ItemNeed {
  readonly kind: 'root' | 'build' | 'upload' | 'item';
  readonly root?: string;
  readonly build?: string;
  readonly derivation?: string;
  readonly item?: string;
  /** As one tells it to a person. */
  readonly text: string;
}

/** What went, or would. Lists end after a hundred; numbers do not. */
export interface DeletionReport {
  /** All that were named, as they are now; `until` is when the bytes go, milliseconds since the Unix epoch. */
  readonly items: readonly {
    readonly item: string;
    readonly state: 'present' | 'unpublished' | 'deleted';
    readonly until?: number;
  }[];
  /** How many of them are needed. */
  readonly needed: number;
  readonly needs: readonly { readonly item: string; readonly by: readonly ItemNeed[] }[];
  /** How many derivations are built again, as unfinished builds or roots need what they make. */
  readonly rebuilds: number;
  readonly derivations: readonly string[];
  /** Needed, and no known derivation makes them: builds wait until somebody sends them again. */
  readonly sources: readonly string[];
  /** Bytes of files that go. */
  readonly freed: number;
}

/** Most that an answer names of what there may be very many of. */
const mostNamed = 100;
/** Most who need one item that are named. */
const mostNeeds = 5;

/**
 * Deletes store items for somebody who named them: all of them or none, as nothing goes that is needed, unless that is forced.
 *
 * @throws DroverError `unknown-item`, `item-needed`; before anything went.
 */
export async function deleteItems(
  core: Core,
  deletions: Deletions,
  inSlices: InSlices,
  meta: Meta,
  wish: DeletionWish,
): Promise<DeletionReport> {
  const { farm } = core;
  const { graph, availability, details, unpublished } = farm;
  let given: readonly Item[] = [];
  let paths: readonly string[] = [];
  // What goes meanwhile may leave its row to another.
  const isThere = () => given.every((item, place) => graph.itemOf(paths[place] as string) === item);
  const { going, needed, outlook } = await inSlices(
    unforgotten(farm, look, isThere),
    wish.preview ? {} : { first: true },
  );
  const needs = [...needed].slice(0, mostNamed).map(([item, need]) => ({
    item: graph.itemPath(item),
    by: whoNeeds(item, need),
  }));
  const preview = {
    needed: needed.size,
    needs,
    rebuilds: outlook.rebuilds.length,
    derivations: outlook.rebuilds.slice(0, mostNamed).map(graph.drvPath),
    sources: outlook.sources.slice(0, mostNamed).map(graph.itemPath),
  };
  const freed = freedBy(new Set(given));
  if (wish.preview) return { ...preview, items: paths.map(stateOf), freed };
  if (needed.size > 0 && !wish.force) throw refusal(preview);
  const { kept } = await deletions.withdraw(given, wish, meta);
  if (kept.size > 0) {
    // Somebody has come to need it meanwhile.
    const [[item, need]] = [...kept] as [[Item, Need]];
    const needsNow = [{ item: graph.itemPath(item), by: whoNeeds(item, need) }];
    throw refusal({ ...preview, needed: kept.size, needs: needsNow }, given.length - kept.size);
  }
  return { ...preview, items: paths.map(stateOf), freed };

  function* look() {
    given = [...new Set(wish.items)].flatMap(find);
    paths = given.map(graph.itemPath);
    const going = new Set(given.filter((item) => availability.isPresent(item)));
    const needed = yield* findNeeded(deletions.needSources(), going);
    const outlook = needed.size === 0 ? { rebuilds: [], sources: [] } : yield* deletionOutlook(farm, going);
    return { going, needed, outlook };
  }

  function find(path: string): Item[] {
    const item = graph.itemOf(path);
    if (item !== undefined && (availability.isPresent(item) || unpublished.get(item) !== undefined)) return [item];
    if (wish.skipMissing) return [];
    throw notInPool(farm, path);
  }

  function whoNeeds(item: Item, first: Need): ItemNeed[] {
    const found: Need[] = [];
    eachNeed(
      deletions.needSources(),
      item,
      (referrer) => !going.has(referrer),
      (need) => found.push(need) >= mostNeeds,
    );
    return (found.length === 0 ? [first] : found).map((need) => ({ ...told(need), text: describeNeed(farm, need) }));
  }

  function told(need: Need): Omit<ItemNeed, 'text'> {
    if (need.kind === 'item') return { kind: 'item', item: graph.itemPath(need.item) };
    if (need.kind === 'root') return { kind: 'root', root: need.root };
    if (need.kind === 'upload') return { kind: 'upload', item: need.path };
    return { kind: 'build', build: buildId(need.build), derivation: graph.drvPath(need.build.drv) };
  }

  function stateOf(path: string): DeletionReport['items'][number] {
    const item = graph.itemOf(path);
    if (item === undefined) return { item: path, state: 'deleted' };
    const until = unpublished.get(item)?.until;
    if (availability.isPresent(item)) return { item: path, state: 'present' };
    return until === undefined ? { item: path, state: 'deleted' } : { item: path, state: 'unpublished', until };
  }

  /** A file that another item has stays, and one that several of these have counts once. */
  function freedBy(those: ReadonlySet<Item>): number {
    const seen = new Set<string>();
    let bytes = 0;
    for (const item of those) {
      const file = details.get(item)?.file;
      if (file === undefined || seen.has(file.hash)) continue;
      seen.add(file.hash);
      if (details.itemsOfFile(file.hash).every((other) => those.has(other))) bytes += file.size;
    }
    return bytes;
  }
}

function refusal({ needed, needs }: Pick<DeletionReport, 'needed' | 'needs'>, went = 0): DroverError {
  const [{ item, by }] = needs as [DeletionReport['needs'][number]];
  const more = needed > 1 ? `, and ${needed - 1} more of the items are needed` : '';
  const rest = went > 0 ? `; ${went} others were deleted before somebody came to need it` : '';
  const message = `${item} is needed: ${by.map(({ text }) => text).join('; ')}${more}${rest}`;
  return new DroverError('item-needed', message, { needed, needs });
}
