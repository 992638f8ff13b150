import { ints } from './column.ts';
import type { Farm } from './farm.ts';
import type { Item } from './graph.ts';
import { createKept, type KeepReason, type Kept, keepReasons } from './kept.ts';

/** How much there is of something: items, and bytes of their files. */
export interface Amount {
  readonly items: number;
  readonly bytes: number;
}

export interface GarbagePlan {
  /** Present items that nothing keeps: what refers to others comes before them, the ones that have been known longest first. */
  readonly garbage: Int32Array;
  /** Bytes of their files; those in one file with others are counted each. */
  readonly bytes: number;
  readonly kept: Readonly<Record<KeepReason, Amount>>;
  /** What is kept, to be added to by what happens from now on. */
  readonly marks: Kept;
}

export interface GarbageWish {
  /** Items that were published then or later are kept; milliseconds since the Unix epoch. */
  readonly recentFrom: number;
  /** Whether what kept items were built with is kept as well. */
  readonly buildInputs?: boolean | undefined;
  /** Items that uploads under way refer to, and others that are about to be needed. */
  readonly uploads: Iterable<Item>;
}

type Sources = Pick<Farm, 'graph' | 'availability' | 'queue' | 'roots' | 'details'>;

/** Steps between two yields: less than a millisecond. */
const perTurn = 5000;

/**
 * What a collection may take. What comes to be needed while it is worked out has to be added to `marks` by whoever listens; what is kept
 * then and is in `garbage` all the same is for them to pass over.
 *
 * @yields now and then, so that others have their turn. A million items with ten references each take a second or two.
 */
export function* planGarbage(
  farm: Sources,
  { recentFrom, buildInputs, uploads }: GarbageWish,
  marks: Kept = createKept(farm, { buildInputs: buildInputs === true }),
): Generator<undefined, GarbagePlan> {
  const { graph, availability, queue, roots, details } = farm;
  let steps = 0;
  const isTurnOver = (): boolean => {
    if (++steps < perTurn) return false;
    steps = 0;
    return true;
  };

  // What keeps most firmly first: it is the reason that is told.
  for (const item of roots.targets()) {
    marks.keep(item, 'root');
    if (isTurnOver()) yield;
  }
  yield* marks.settle();
  for (let drv = 0; drv < graph.derivationRows; drv++) {
    if (queue.isActive(drv)) marks.keepInputs(drv);
    if (isTurnOver()) yield;
  }
  yield* marks.settle();
  for (const item of uploads) marks.keep(item, 'upload');
  yield* marks.settle();
  for (let item = 0; item < graph.itemRows; item++) {
    if (availability.isPresent(item) && details.addedAt(item) >= recentFrom) marks.keep(item, 'recent');
    if (isTurnOver()) yield;
  }
  yield* marks.settle();

  const kept = Object.fromEntries(keepReasons.map((reason) => [reason, { items: 0, bytes: 0 }])) as Record<
    KeepReason,
    { items: number; bytes: number }
  >;
  /** Per item how many present items that nothing keeps refer to it. */
  const referrers = new Int32Array(graph.itemRows);
  const isGarbage = (item: Item): boolean =>
    item < referrers.length && availability.isPresent(item) && !marks.has(item);
  let count = 0;
  let bytes = 0;
  for (let item = 0; item < referrers.length; item++) {
    if (availability.isPresent(item)) {
      const reason = marks.reason(item);
      const size = details.fileSize(item);
      if (reason === undefined) {
        count++;
        bytes += size;
        availability.eachReference(item, (reference) => {
          steps++;
          if (reference < referrers.length) (referrers[reference] as number)++;
        });
      } else {
        kept[reason].items++;
        kept[reason].bytes += size;
      }
    }
    if (isTurnOver()) yield;
  }

  const order = ints(Math.max(1, count));
  for (let item = 0; item < referrers.length; item++) {
    if (referrers[item] === 0 && isGarbage(item)) order.push(item);
    if (isTurnOver()) yield;
  }
  // What is in the order is its own queue. Nothing refers to itself here, and items that refer to each other in a circle stay.
  for (let next = 0; next < order.length; next++) {
    availability.eachReference(order.values[next] as number, (reference) => {
      steps++;
      if (reference < referrers.length && --(referrers[reference] as number) === 0 && isGarbage(reference))
        order.push(reference);
    });
    if (isTurnOver()) yield;
  }
  return { garbage: order.values.subarray(0, order.length), bytes, kept, marks };
}
