import { guixStoreDir } from '../domain/guix/store-dir.ts';
import type { BuildRecord } from './builds.ts';
import type { Farm } from './farm.ts';
import type { Drv, Graph, Item } from './graph.ts';
import { finish } from './pace.ts';

/** Steps between two yields: less than a millisecond. */
const perTurn = 5000;

/**
 * The sources of all derivations that some are made of, all the way down. A daemon of Guix builds only where each of them is valid, also far
 * below what is built, as it computes paths of outputs from all that a derivation is made of. What is made by a derivation is none.
 */
export interface SourcesBelow<Start> {
  /** From here on down; `start` is told with what is found below it first. */
  add(drv: Drv, start: Start): void;
  /**
   * Follows all that was added since the last time. Each derivation is looked at once, each source may be told of several times; `visit`
   * returns true to stop, for good.
   *
   * @yields now and then, so that others have their turn.
   */
  settle(visit: (source: Item, start: Start) => boolean | undefined): Generator<undefined, void>;
  /** Whether nothing was added since. */
  readonly isSettled: boolean;
}

export function createSourcesBelow<Start>(graph: Graph): SourcesBelow<Start> {
  const seen = new Set<Drv>();
  const pending: { readonly drv: Drv; readonly start: Start }[] = [];

  function add(drv: Drv, start: Start): void {
    if (seen.has(drv)) return;
    seen.add(drv);
    pending.push({ drv, start });
  }

  return {
    add,
    get isSettled() {
      return pending.length === 0;
    },
    *settle(visit) {
      let steps = 0;
      let stopped = false;
      for (let next = pending.pop(); next !== undefined && !stopped; next = pending.pop()) {
        const { drv, start } = next;
        graph.eachNeed(drv, (item) => {
          if (stopped) return;
          steps++;
          let made = false;
          graph.eachProducer(item, (producer) => {
            made = true;
            add(producer, start);
            return undefined;
          });
          if (!made) stopped = visit(item, start) === true;
        });
        if (++steps < perTurn) continue;
        steps = 0;
        yield;
      }
    },
  };
}

/** Whether builds of a derivation need the sources of those below, too. @param storeDir the coordinator's first store directory. */
export function needsSourcesBelow(graph: Pick<Graph, 'jobClass'>, storeDir: string): (drv: Drv) => boolean {
  return (drv) => (graph.jobClass(drv).storeDir ?? storeDir) === guixStoreDir;
}

/** Tells of a source which unfinished build needs it, as things were when it was asked first. */
export function neededBelow(
  { graph, queue }: Pick<Farm, 'graph' | 'queue'>,
  storeDir: string,
): (item: Item) => BuildRecord | undefined {
  const isConcerned = needsSourcesBelow(graph, storeDir);
  let found: Map<Item, BuildRecord> | undefined;

  function find(): Map<Item, BuildRecord> {
    const sources = new Map<Item, BuildRecord>();
    const below = createSourcesBelow<BuildRecord>(graph);
    for (let drv = 0; drv < graph.derivationRows; drv++) {
      const build = queue.isActive(drv) && isConcerned(drv) ? queue.unfinished(drv) : undefined;
      if (build !== undefined) below.add(drv, build);
    }
    finish(below.settle((source, build) => void sources.set(source, build)));
    return sources;
  }

  return (item) => {
    // Most items are none: only for those the farm is walked.
    let needer: Drv | undefined;
    let isMade = false;
    graph.eachNeeder(item, (drv) => {
      needer = drv;
      return true;
    });
    graph.eachProducer(item, () => {
      isMade = true;
      return true;
    });
    if (needer === undefined || isMade || !isConcerned(needer)) return undefined;
    found ??= find();
    return found.get(item);
  };
}

/** Those of `items` that are sources of derivations below `drv`, or its own. */
export function* sourcesOf(graph: Graph, drv: Drv, items: ReadonlySet<Item>): Generator<undefined, ReadonlySet<Item>> {
  const found = new Set<Item>();
  const below = createSourcesBelow<undefined>(graph);
  below.add(drv, undefined);
  yield* below.settle((source) => {
    if (items.has(source)) found.add(source);
    return found.size === items.size;
  });
  return found;
}
