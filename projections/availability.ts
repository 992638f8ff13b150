import type { StoreItem } from '../domain/item/events.ts';
import { createEdges } from './edges.ts';
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
  // Edges item → reference, and back: of an item that has references their row, of a row the item that has or had it, and the rows that are in
  // no list, by how many edges they have room for.
  const referenceRow = memory.narrowInts('referenceRow');
  const referrer = memory.narrowInts('referrer');
  const references = createEdges(release, memory.within('references.'));
  const free = memory.map<number, number[]>('free');
  const count = { present: 0, upstream: 0 };
  memory.part('count', { save: () => count, load: (saved: typeof count) => void Object.assign(count, saved) });

  function row(item: Item): void {
    while (presence.length <= item) {
      presence.push(0);
      lacking.push(0);
      referenceRow.push(none);
    }
  }
  const isPresent = (item: Item): boolean => item < presence.length && presence.values[item] === isHere;
  const isUpstream = (item: Item): boolean => item < presence.length && presence.values[item] === isElsewhere;
  const isObtainable = (item: Item): boolean => isPresent(item) || isUpstream(item);
  const isAvailable = (item: Item): boolean => isObtainable(item) && lacking.values[item] === 0;

  const rowOf = (item: Item): number => (item < referenceRow.length ? referenceRow.get(item) : none);

  function eachReference(item: Item, visit: (reference: Item) => void): void {
    const edges = rowOf(item);
    if (edges !== none) references.eachTarget(edges, visit);
  }

  function referencesOf(item: Item): Item[] {
    const found: Item[] = [];
    eachReference(item, (one) => found.push(one));
    return found;
  }

  function* referrersOf(item: Item): Generator<Item> {
    for (const edges of references.rowsOf(item)) yield referrer.get(edges);
  }

  function eachReferrer(item: Item, visit: (from: Item) => void): void {
    references.eachRow(item, (edges) => void visit(referrer.get(edges)));
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
    const edges = targets.size === 0 ? none : takeRow(targets.size);
    cutReferences(item);
    referenceRow.set(item, edges);
    if (edges === none) return;
    referrer.set(edges, item);
    references.link(edges, [...targets]);
  }

  function takeRow(room: number): number {
    const used = free.get(room)?.pop();
    if (used !== undefined) return used;
    referrer.lengthen(1);
    return references.push(room);
  }

  function cutReferences(item: Item): void {
    const edges = referenceRow.get(item);
    if (edges === none) return;
    referenceRow.set(item, none);
    references.cut(edges);
  }

  function release(edges: number): void {
    const room = references.room(edges);
    const others = free.get(room);
    if (others === undefined) free.set(room, [edges]);
    else others.push(edges);
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
    referencesKey: rowOf,
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
    isReferredTo: references.isTarget,
    forget(item) {
      if (item >= presence.length) return;
      cutReferences(item);
      presence.values[item] = never;
      lacking.values[item] = 0;
    },
  };
}

/** Of what has no references. */
const none = -1;

const never = 0;
const isHere = 1;
const isGone = 2;
const isElsewhere = 3;
