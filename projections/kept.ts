import type { Farm } from './farm.ts';
import type { Drv, Item } from './graph.ts';
import { createSourcesBelow } from './sources-below.ts';

/**
 * Why an item is kept, for itself or through what refers to it: a root, an unfinished build that has it as an input, an upload under way
 * that refers to it, or that it is new.
 */
export const keepReasons = ['root', 'build', 'upload', 'recent'] as const;
export type KeepReason = (typeof keepReasons)[number];

/**
 * The items that are kept, and why: what is reachable over references from what is kept for itself. It may be added to at any time, so that
 * what comes to be needed while a collection is under way is kept as well.
 */
export interface Kept {
  /** The item is kept, with all that it refers to; that follows with {@link settle}. The first reason is the one that counts. */
  keep(item: Item, reason: KeepReason): void;
  /** What an unfinished build needs is kept. */
  keepInputs(drv: Drv): void;
  /** Follows references from all that was kept since the last time. */
  settle(): Generator<undefined, void>;
  /** Whether nothing was added since. */
  readonly isSettled: boolean;
  /** Whether it is kept, as far as that has been followed. */
  has(item: Item): boolean;
  reason(item: Item): KeepReason | undefined;
}

/** Edges that are followed between two yields: less than a millisecond. */
const perTurn = 5000;

export interface KeptOptions {
  /** Whether what kept items were built with is kept as well: what their derivations need. */
  readonly buildInputs?: boolean;
  /** Whether a build of the derivation needs the sources of all derivations below as well. Default: none does. */
  readonly needsSourcesBelow?: (drv: Drv) => boolean;
}

export function createKept(
  { graph, availability }: Pick<Farm, 'graph' | 'availability'>,
  { buildInputs = false, needsSourcesBelow = () => false }: KeptOptions = {},
): Kept {
  const below = createSourcesBelow<undefined>(graph);
  const forBuild = keepReasons.indexOf('build') + 1;
  /** Per item 0, or the number of the reason and one. */
  let marks = new Uint8Array(graph.itemRows);
  const pending: Item[] = [];

  function mark(item: Item, value: number): void {
    if (item >= marks.length) {
      // Items that came since.
      const grown = new Uint8Array(Math.max(graph.itemRows, item + 1) * 2);
      grown.set(marks);
      marks = grown;
    }
    if (marks[item] !== 0) return;
    marks[item] = value;
    pending.push(item);
  }

  function* settle(): Generator<undefined, void> {
    yield* below.settle((source) => void mark(source, forBuild));
    let steps = 0;
    for (let item = pending.pop(); item !== undefined; item = pending.pop()) {
      const value = marks[item] as number;
      const follow = (other: Item): void => {
        steps++;
        mark(other, value);
      };
      // Also through what is not there: it is built again, or comes again, with the same references.
      availability.eachReference(item, follow);
      if (buildInputs) graph.eachProducer(item, (drv) => void graph.eachNeed(drv, follow));
      if (++steps < perTurn) continue;
      steps = 0;
      yield;
    }
  }

  return {
    keep: (item, reason) => mark(item, keepReasons.indexOf(reason) + 1),
    keepInputs(drv) {
      graph.eachNeed(drv, (item) => mark(item, forBuild));
      if (needsSourcesBelow(drv)) below.add(drv, undefined);
    },
    settle,
    get isSettled() {
      return pending.length === 0 && below.isSettled;
    },
    has: (item) => item < marks.length && marks[item] !== 0,
    reason: (item) => (item < marks.length ? keepReasons[(marks[item] as number) - 1] : undefined),
  };
}
