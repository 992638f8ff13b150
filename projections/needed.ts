import { type BuildRecord, buildId } from './builds.ts';
import type { Farm } from './farm.ts';
import type { Item } from './graph.ts';

/** Who needs a store item. */
export type Need =
  /** An unfinished build has it as an input. */
  | { readonly kind: 'build'; readonly build: BuildRecord }
  /** An upload under way refers to it; base name of what is uploaded. */
  | { readonly kind: 'upload'; readonly path: string }
  /** A root keeps it. */
  | { readonly kind: 'root'; readonly root: string }
  /** An item that is present, or needed itself, refers to it. */
  | { readonly kind: 'item'; readonly item: Item };

export interface NeedSources {
  readonly farm: Pick<Farm, 'graph' | 'availability' | 'queue' | 'roots'>;
  /** What uploads under way refer to, by base name, with one of them. */
  readonly uploads: ReadonlyMap<string, string>;
  /** An unfinished build of which a derivation below, and not its own, has the item as a source, where its machine wants that as well. */
  below(item: Item): BuildRecord | undefined;
}

/**
 * Calls `visit` with all who need the item for themselves; it returns true to stop.
 *
 * @param outside whether an item that refers to it counts: those that are to go as well do not.
 */
export function eachNeed(
  sources: NeedSources,
  item: Item,
  outside: (referrer: Item) => boolean,
  visit: (need: Need) => boolean,
): void {
  const { availability } = sources.farm;
  if (eachOwnNeed(sources, item, visit)) return;
  for (const referrer of availability.referrersOf(item))
    if (referrer !== item && availability.isPresent(referrer) && outside(referrer))
      if (visit({ kind: 'item', item: referrer })) return;
}

/** The same without items that refer to it. @returns whether `visit` has stopped it. */
export function eachOwnNeed(
  { farm, uploads, below }: NeedSources,
  item: Item,
  visit: (need: Need) => boolean,
): boolean {
  const { graph, queue, roots } = farm;
  const root = roots.keeping(item);
  if (root !== undefined && visit({ kind: 'root', root })) return true;
  let stopped = false;
  graph.eachNeeder(item, (drv) => {
    const build = queue.unfinished(drv);
    if (build !== undefined) stopped = visit({ kind: 'build', build });
    return stopped;
  });
  const build = stopped ? undefined : below(item);
  if (build !== undefined && !graph.needs(build.drv, item)) stopped = visit({ kind: 'build', build });
  const path = stopped ? undefined : uploads.get(graph.itemPath(item));
  return path === undefined ? stopped : visit({ kind: 'upload', path });
}

/** One who needs the item for itself. */
export function needOf(sources: NeedSources, item: Item, outside: (referrer: Item) => boolean): Need | undefined {
  let found: Need | undefined;
  eachNeed(sources, item, outside, (need) => {
    found = need;
    return true;
  });
  return found;
}

/** Edges that are followed between two yields: less than a millisecond. */
const perTurn = 5000;

/**
 * Which of the items that are to go are needed, each with one reason: somebody needs it for itself, or something among them refers to it
 * that is needed. What follows from references follows all the way down, also through what is not present: that is built again.
 *
 * @yields now and then, so that others have their turn; what changes meanwhile is not seen. Whoever acts on it looks again.
 */
export function* findNeeded(
  sources: NeedSources,
  going: ReadonlySet<Item>,
): Generator<undefined, ReadonlyMap<Item, Need>> {
  const { availability } = sources.farm;
  const needed = new Map<Item, Need>();
  const pending: Item[] = [];
  let steps = 0;
  for (const item of going) {
    let need: Need | undefined;
    eachOwnNeed(sources, item, (own) => {
      need = own;
      return true;
    });
    if (need === undefined)
      for (const referrer of availability.referrersOf(item)) {
        if (referrer !== item && availability.isPresent(referrer) && !going.has(referrer)) {
          need = { kind: 'item', item: referrer };
          break;
        }
        if (++steps % perTurn === 0) yield;
      }
    if (need !== undefined) {
      needed.set(item, need);
      pending.push(item);
    }
    // A needer costs little, and there are thirty or so.
    steps += 30;
    if (steps < perTurn) continue;
    steps = 0;
    yield;
  }
  for (let item = pending.pop(); item !== undefined; item = pending.pop()) {
    for (const reference of availability.references(item)) {
      steps++;
      if (!going.has(reference) || needed.has(reference)) continue;
      needed.set(reference, { kind: 'item', item });
      pending.push(reference);
    }
    if (steps < perTurn) continue;
    steps = 0;
    yield;
  }
  return needed;
}

/** In an order in which what refers to others comes before them. Where items refer to each other in a circle, any of them is first. */
export function referrersFirst(
  { references }: Pick<Farm['availability'], 'references'>,
  items: Iterable<Item>,
): Item[] {
  const left = new Set(items);
  const order: Item[] = [];
  // What is done is put in front of all that it does not refer to: the order is built from its end.
  for (const start of [...left]) {
    if (!left.delete(start)) continue;
    const path: { readonly item: Item; readonly below: Item[] }[] = [{ item: start, below: [...references(start)] }];
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const next = top.below.pop();
      if (next === undefined) order.push((path.pop() as typeof top).item);
      else if (left.delete(next)) path.push({ item: next, below: [...references(next)] });
    }
  }
  return order.reverse();
}

/** As one tells it to a person. */
export function describeNeed({ graph }: Pick<Farm, 'graph'>, need: Need): string {
  if (need.kind === 'item') return `${graph.itemPath(need.item)} refers to it`;
  if (need.kind === 'root') return `the root ${need.root} keeps it`;
  if (need.kind === 'upload') return `the upload of ${need.path}, which is under way, refers to it`;
  return `the unfinished build ${buildId(need.build)} of ${graph.drvPath(need.build.drv)} needs it`;
}
