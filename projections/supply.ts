import type { Drv, Graph, Item } from './graph.ts';
import { createMemory, type Memory } from './memory.ts';
import type { Producers } from './producers.ts';

/**
 * Derivations under way below which nothing is left to submit: each input that is not available is a source, or made by a build under
 * way of which the same is true. Who looks for needs stops at them, so that a submission costs what it adds and not what is queued.
 *
 * It is a memory of what was looked at, no more: nothing depends on a derivation being in it. It can't go round, as one is taken in only
 * if what it relies on was taken in before; and what one relies on is dropped together with it.
 */
export interface Supply {
  has(drv: Drv): boolean;
  /** Takes in those of the derivations of which it is true. */
  takeIn(drvs: Iterable<Drv>): void;
  /** The item is not available any more. */
  lost(item: Item): void;
  /** It has no unfinished build any more. */
  ended(drv: Drv): void;
  derivationAdded(drv: Drv): void;
  /** The derivation goes. */
  forget(drv: Drv): void;
}

export interface SupplySources {
  readonly graph: Graph;
  readonly producers: Pick<Producers, 'of'>;
  isObtainable(item: Item): boolean;
  isAvailable(item: Item): boolean;
  isActive(drv: Drv): boolean;
}

export function createSupply(
  { graph, producers, isObtainable, isAvailable, isActive }: SupplySources,
  memory: Memory = createMemory(),
): Supply {
  const supplied = memory.bytes('supplied');
  const has = (drv: Drv): boolean => drv < supplied.length && supplied.values[drv] === 1;

  function isMade(item: Item): boolean {
    if (isObtainable(item)) return false; // Something that it refers to is missing.
    const producer = producers.of(item);
    return producer === undefined || has(producer);
  }

  function lost(start: Item): void {
    const pending = [start];
    for (let item = pending.pop(); item !== undefined; item = pending.pop())
      graph.eachNeeder(item, (drv) => {
        if (!has(drv)) return undefined;
        supplied.values[drv] = 0;
        graph.eachOutput(drv, (output) => {
          if (!isAvailable(output)) pending.push(output);
        });
        return undefined;
      });
  }

  return {
    has,
    takeIn(drvs) {
      while (supplied.length < graph.derivationRows) supplied.push(0);
      // Inputs before what needs them.
      for (const drv of Int32Array.from(drvs).sort((a, b) => graph.depth(a) - graph.depth(b))) {
        if (!isActive(drv) || has(drv)) continue;
        let complete = true;
        graph.eachNeed(drv, (item) => {
          complete &&= isAvailable(item) || isMade(item);
        });
        if (complete) supplied.values[drv] = 1;
      }
    },
    lost,
    forget(drv) {
      if (drv < supplied.length) supplied.values[drv] = 0;
    },
    ended(drv) {
      if (!has(drv)) return;
      supplied.values[drv] = 0;
      graph.eachOutput(drv, (item) => {
        if (!isAvailable(item)) lost(item);
      });
    },
    derivationAdded(drv) {
      // What was a source until now can be built.
      graph.eachOutput(drv, (item) => {
        let producers = 0;
        graph.eachProducer(item, () => ++producers > 1);
        if (producers === 1 && !isAvailable(item)) lost(item);
      });
    },
  };
}
