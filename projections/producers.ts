import { ints } from './column.ts';
import type { Drv, Graph, Item } from './graph.ts';

/**
 * Who produces a store item: the one rule, for needs, urgency, rebuilds and `why`.
 *
 * Several derivations can have one output path (fixed outputs; and what differs only in which of those it names). Derivations have no
 * cycles, their producers do: the source of a compiler may be fetched by a program that this compiler built, or by one from before. So
 * nothing walks from an item to all that could make it. It walks to one:
 *
 * 1. The shallowest producer (graph depth, then order), if a build of it is under way.
 * 2. Else the shallowest other one with a build under way whose chain is sound.
 * 3. Else the shallowest, unless its last build failed or was cancelled.
 * 4. Else the shallowest other one with a sound chain and no such end; if there is none, the shallowest: somebody has to retry it.
 *
 * A chain is what a build still lacks, all the way down, each item made by its shallowest producer. It is sound if none of these items
 * is itself in want of another producer. That this can't go round is shown in docs/decisions/0010.
 */
export interface Producers {
  /** The derivation to build for an item that is not available; `undefined` for a source. */
  of(item: Item): Drv | undefined;
  /**
   * The producer under way that urgency flows to. What an item with several producers flows to is as of the last {@link refresh}.
   */
  underWay(item: Item): Drv | undefined;
  /** Settles what {@link underWay} says of items whose shallowest producer is not under way, but another is. */
  refresh(): void;
  derivationAdded(drv: Drv): void;
  /** The first build of it is under way, or the last one is not any more. */
  buildsChanged(drv: Drv): void;
  availabilityChanged(): void;
}

export interface ProducerSources {
  readonly graph: Graph;
  isAvailable(item: Item): boolean;
  /** Whether it has an unfinished build. */
  isActive(drv: Drv): boolean;
  /** Whether it has none and its last one failed or was cancelled. */
  hasFailed(drv: Drv): boolean;
  /** Urgency flows to the derivation, or does not any more. */
  shifted(drv: Drv): void;
}

/** An item with several producers. */
interface Shared {
  readonly item: Item;
  /** Shallowest first. */
  readonly producers: Drv[];
  readonly active: Set<Drv>;
  /** The producer that urgency flows to while the shallowest is not under way. */
  flowsTo: Drv | undefined;
}

export function createProducers({ graph, isAvailable, isActive, hasFailed, shifted }: ProducerSources): Producers {
  const shallowest = ints(); // Per item; -1 for sources.
  const shared = new Map<Item, Shared>();
  /** Those with builds under way, but none of the shallowest producer. */
  const contested = new Set<Shared>();
  let stale = false;

  const first = (item: Item): Drv => (item < shallowest.length ? (shallowest.values[item] as number) : -1);

  /** Whether the item may have another producer than the shallowest. */
  function isInWant(item: Item): boolean {
    if (shared.size === 0) return false;
    const known = shared.get(item);
    const best = first(item);
    return known !== undefined && !isActive(best) && (hasFailed(best) || known.active.size > 0);
  }

  /** Whether the chain of a producer is sound. `known` holds what was found so far: each derivation is looked at once. */
  function isSound(start: Drv, known: Map<Drv, boolean>): boolean {
    const pending = [start];
    for (let drv = pending.at(-1); drv !== undefined; drv = pending.at(-1)) {
      let sound = !known.has(drv) || (known.get(drv) as boolean);
      const below: Drv[] = [];
      if (!known.has(drv))
        graph.eachNeed(drv, (item) => {
          if (!sound || isAvailable(item)) return;
          const maker = first(item);
          if (isInWant(item) || known.get(maker) === false) sound = false;
          else if (maker !== -1 && !known.has(maker)) below.push(maker);
        });
      if (sound && below.length > 0) {
        pending.push(...below);
        continue;
      }
      known.set(drv, sound);
      pending.pop();
    }
    return known.get(start) as boolean;
  }

  /** Of the others than the shallowest, the first that is under way and has a sound chain. */
  function otherUnderWay({ producers, active }: Shared, known: Map<Drv, boolean>): Drv | undefined {
    return active.size === 0 ? undefined : producers.find((drv) => active.has(drv) && isSound(drv, known));
  }

  function update(one: Shared): void {
    stale = true;
    const isContested = one.active.size > 0 && !isActive(first(one.item));
    if (isContested) contested.add(one);
    else contested.delete(one);
    if (!isContested || (one.flowsTo !== undefined && !isActive(one.flowsTo))) flow(one, undefined);
  }

  function flow(one: Shared, to: Drv | undefined): void {
    if (one.flowsTo === to) return;
    if (one.flowsTo !== undefined) shifted(one.flowsTo);
    one.flowsTo = to;
    if (to !== undefined) shifted(to);
  }

  /** A further producer of an item. */
  function share(item: Item, drv: Drv): void {
    const best = first(item);
    let one = shared.get(item);
    if (!one) {
      one = { item, producers: [best], active: new Set(isActive(best) ? [best] : []), flowsTo: undefined };
      shared.set(item, one);
    }
    const { producers } = one;
    const depth = graph.depth(drv);
    let place = producers.length;
    while (place > 0 && graph.depth(producers[place - 1] as Drv) > depth) place--;
    producers.splice(place, 0, drv);
    if (place === 0) {
      shallowest.values[item] = drv;
      if (isActive(best)) shifted(best);
    }
    update(one);
  }

  return {
    of(item) {
      const best = first(item);
      if (best === -1) return undefined;
      if (!isInWant(item)) return best;
      const one = shared.get(item) as Shared;
      const known = new Map<Drv, boolean>();
      const other = otherUnderWay(one, known);
      if (other !== undefined || !hasFailed(best)) return other ?? best;
      return one.producers.find((drv) => !hasFailed(drv) && isSound(drv, known)) ?? best;
    },
    underWay(item) {
      const best = first(item);
      if (best === -1) return undefined;
      if (isActive(best)) return best;
      return contested.size === 0 ? undefined : shared.get(item)?.flowsTo;
    },
    refresh() {
      if (!stale) return;
      stale = false;
      const known = new Map<Drv, boolean>();
      for (const one of contested) flow(one, isAvailable(one.item) ? undefined : otherUnderWay(one, known));
    },
    derivationAdded(drv) {
      graph.eachOutput(drv, (item) => {
        while (shallowest.length <= item) shallowest.push(-1);
        if (first(item) === -1) shallowest.values[item] = drv;
        else share(item, drv);
      });
    },
    buildsChanged(drv) {
      if (shared.size === 0) return;
      graph.eachOutput(drv, (item) => {
        const one = shared.get(item);
        if (!one) return;
        if (isActive(drv)) one.active.add(drv);
        else one.active.delete(drv);
        update(one);
      });
    },
    availabilityChanged() {
      stale = true;
    },
  };
}
