import type { StoreItem } from '../domain/item/events.ts';
import { createBackEdges } from './back-edges.ts';
import type { Graph, Item } from './graph.ts';
import { createMemory, type Memory } from './memory.ts';

/**
 * Which store items may be used: those that can be obtained, from the pool or from an upstream, and whose references, all the way down, can
 * be too (I7). Kept by counting, per item, the references that are not available, so a change costs as much as what it changes.
 */
export interface Availability {
  /** Number of items that are present: in the pool. */
  readonly present: number;
  /** Number of items that the pool does not have and an upstream does. */
  readonly upstream: number;
  /** The pool has it. */
  isPresent(item: Item): boolean;
  /** The pool has it, or an upstream. */
  isObtainable(item: Item): boolean;
  isAvailable(item: Item): boolean;
  /** Whether it could ever be obtained: then something that cannot be any more was deleted or lost. */
  wasObtainable(item: Item): boolean;
  references(item: Item): readonly Item[];
  /** Stays the same thing as long as the references do. */
  referencesKey(item: Item): unknown;
  /** The same, one call each; cheaper. */
  eachReference(item: Item, visit: (reference: Item) => void): void;
  /** Items whose references include this one, one call each. There may be very many; who has time uses {@link referrersOf}. */
  eachReferrer(item: Item, visit: (referrer: Item) => void): void;
  /** The same, so that one can let others have their turn in between; what comes meanwhile may be left out, and one may be told of twice. */
  referrersOf(item: Item): Iterable<Item>;
  /** StoreItemAdded. Calls `changed` for each item that became available. */
  add(path: string, references: StoreItem['references']): Item;
  /** StoreItemUnpublished, StoreItemDeleted, StoreItemMissing. Calls `changed` for each item that stopped being available. */
  remove(item: Item): void;
  /** StoreItemFoundUpstream: the same as {@link add}, unless the pool has it. */
  find(path: string, references: StoreItem['references']): Item;
  /** StoreItemLostUpstream: the same as {@link remove}, unless the pool has it. */
  lose(item: Item): void;
  /** Whether any item refers to it, be it here or not. */
  isReferredTo(item: Item): boolean;
  /** What is not obtainable, and nothing refers to, was never there. */
  forget(item: Item): void;
}

export function createAvailability(
  graph: Graph,
  changed: (item: Item, available: boolean) => void,
  memory: Memory = createMemory(),
): Availability {
  const presence = memory.bytes('presence');
  const lacking = memory.ints('lacking'); // Per item: references that are not available.
  // Edges item → reference, those of one item side by side, and back.
  const firstReference = memory.ints('firstReference');
  const referenceCount = memory.ints('referenceCount');
  const referrer = memory.ints('referrer');
  const referrers = createBackEdges('reference', untie, memory);
  // Edges that were cut, side by side as they were, by the first of them, which `referrer` has: how many there are, and how many of them are still
  // in lists. And the first of those that are in none, by how many they are.
  const tied = memory.map<number, { readonly edges: number; left: number }>('tied');
  const free = memory.map<number, number[]>('free');
  const count = { present: 0, upstream: 0 };
  memory.part('count', { save: () => count, load: (saved: typeof count) => void Object.assign(count, saved) });

  function row(item: Item): void {
    while (presence.length <= item) {
      presence.push(0);
      lacking.push(0);
      firstReference.push(-1);
      referenceCount.push(0);
    }
  }
  const isPresent = (item: Item): boolean => item < presence.length && presence.values[item] === isHere;
  const isUpstream = (item: Item): boolean => item < presence.length && presence.values[item] === isElsewhere;
  const isObtainable = (item: Item): boolean => isPresent(item) || isUpstream(item);
  const isAvailable = (item: Item): boolean => isObtainable(item) && lacking.values[item] === 0;

  function eachReference(item: Item, visit: (reference: Item) => void): void {
    if (item >= firstReference.length) return;
    const first = firstReference.values[item] as number;
    const end = first + (referenceCount.values[item] as number);
    for (let edge = first; edge < end; edge++) visit(referrers.target(edge));
  }

  function referencesOf(item: Item): Item[] {
    const found: Item[] = [];
    eachReference(item, (one) => found.push(one));
    return found;
  }

  function* referrersOf(item: Item): Generator<Item> {
    for (let edge = referrers.first(item); edge !== -1; ) {
      if (referrers.target(edge) !== -1) yield referrer.values[edge] as number;
      // Once it was cut it may have left the list while others had their turn: where it led on to is not known any more.
      edge = referrers.isIn(item, edge) ? referrers.next(edge) : referrers.first(item);
    }
  }

  function eachReferrer(item: Item, visit: (from: Item) => void): void {
    for (const from of referrersOf(item)) visit(from);
  }

  /** Tells of `start` and of what follows from it for items that refer to it, without recursion: chains are long. */
  function spread(start: Item, available: boolean): void {
    const pending = [start];
    for (let item = pending.pop(); item !== undefined; item = pending.pop()) {
      changed(item, available);
      eachReferrer(item, (from) => {
        const before = lacking.values[from] as number;
        lacking.values[from] = before + (available ? -1 : 1);
        if (isObtainable(from) && (available ? before === 1 : before === 0)) pending.push(from);
      });
    }
  }

  function setReferences(item: Item, paths: readonly string[]): void {
    const targets = new Set(paths.map((path) => graph.internItem(path)));
    targets.delete(item);
    let missing = 0;
    for (const target of targets) {
      row(target);
      if (!isAvailable(target)) missing++;
    }
    lacking.values[item] = missing;
    const known = referencesOf(item);
    if (known.length === targets.size && known.every((one) => targets.has(one))) return;
    // Others than it has, so that the key is another.
    let edge = takeEdges(targets.size);
    cutReferences(item);
    firstReference.values[item] = edge;
    referenceCount.values[item] = targets.size;
    for (const target of targets) {
      referrer.values[edge] = item;
      referrers.link(edge++, target);
    }
  }

  /** So many edges side by side, in no list. */
  function takeEdges(edges: number): number {
    const used = free.get(edges)?.pop();
    if (used !== undefined) return used;
    const first = referrers.length;
    if (edges === 0) return first;
    referrers.lengthen(edges);
    referrer.reserve(edges);
    referrer.length += edges;
    return first;
  }

  function cutReferences(item: Item): void {
    const edges = referenceCount.values[item] as number;
    if (edges === 0) return;
    referenceCount.values[item] = 0;
    const first = firstReference.values[item] as number;
    tied.set(first, { edges, left: edges });
    referrer.values.fill(first, first, first + edges);
    for (let edge = first; edge < first + edges; edge++) referrers.cut(edge);
  }

  /** The edge is in no list any more: with the last of those beside it they are free. */
  function untie(edge: number): void {
    const first = referrer.values[edge] as number;
    const ties = tied.get(first) as { readonly edges: number; left: number };
    if (--ties.left > 0) return;
    tied.delete(first);
    const others = free.get(ties.edges);
    if (others === undefined) free.set(ties.edges, [first]);
    else others.push(first);
  }

  /** From now on it comes from there, with these references; those that it had elsewhere do not count any more. */
  function set(path: string, references: readonly string[], where: typeof isHere | typeof isElsewhere): Item {
    const item = graph.internItem(path);
    row(item);
    const before = isAvailable(item);
    leave(item);
    setReferences(item, references);
    presence.values[item] = where;
    count[where === isHere ? 'present' : 'upstream']++;
    const now = isAvailable(item);
    if (now !== before) spread(item, now);
    return item;
  }

  /** It comes from nowhere any more. */
  function leave(item: Item): void {
    if (isPresent(item)) count.present--;
    else if (isUpstream(item)) count.upstream--;
    else return;
    presence.values[item] = isGone;
  }

  function remove(item: Item): void {
    const before = isAvailable(item);
    leave(item);
    if (before) spread(item, false);
  }

  return {
    get present() {
      return count.present;
    },
    get upstream() {
      return count.upstream;
    },
    isPresent,
    isObtainable,
    isAvailable,
    wasObtainable: (item) => item < presence.length && presence.values[item] !== never,
    references: referencesOf,
    referencesKey: (item) => (item < firstReference.length ? firstReference.values[item] : -1),
    eachReference,
    eachReferrer,
    referrersOf,
    add(path, references) {
      const item = graph.internItem(path);
      return isPresent(item) ? item : set(path, references, isHere);
    },
    remove(item) {
      if (isPresent(item)) remove(item);
    },
    find(path, references) {
      const item = graph.internItem(path);
      return isPresent(item) ? item : set(path, references, isElsewhere);
    },
    lose(item) {
      if (isUpstream(item)) remove(item);
    },
    isReferredTo: (item) => referrers.first(item) !== -1,
    forget(item) {
      if (item >= presence.length) return;
      cutReferences(item);
      presence.values[item] = never;
      lacking.values[item] = 0;
      firstReference.values[item] = -1;
    },
  };
}

const never = 0;
const isHere = 1;
const isGone = 2;
const isElsewhere = 3;
