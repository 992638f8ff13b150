import type { Drv, Graph, Item } from './graph.ts';
import { createMemory, type Memory } from './memory.ts';

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
 * A source that no derivation makes which is less deep than all that need it may be made of what needs it. It is made by a producer with
 * a sound chain (one under way, else one that has not failed, else any), and if there is none, it is a source as any other.
 *
 * A chain is what a build still lacks, all the way down, each item made by its shallowest producer. It is sound if none of these items
 * is such a source, or in want of another producer. That this can't go round is shown in docs/decisions/0010.
 */
export interface Producers {
  /** The derivation to build for an item that is not available; `undefined` for a source. */
  of(item: Item): Drv | undefined;
  /**
   * The producer under way that urgency flows to, none for what is available. What a {@link Contested} item flows to is as of the last
   * {@link refresh}.
   */
  underWay(item: Item): Drv | undefined;
  /** Settles what {@link underWay} says of contested items. */
  refresh(): void;
  /** @param sources what it needs that is no output of its inputs: these are made by what is less deep. */
  derivationAdded(drv: Drv, sources: readonly Item[]): void;
  /** The first build of it is under way, or the last one is not any more. */
  buildsChanged(drv: Drv): void;
  availabilityChanged(item: Item): void;
  /** The derivation goes, of which nothing is under way and whose outputs nothing needs that is deeper than it. */
  forget(drv: Drv): void;
  /** Whether the item may be made of what needs it. */
  isDeep(item: Item): boolean;
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

/** An item of which it has to be found out who produces it: one with several producers, or a source that may be made of what needs it. */
interface Contested {
  readonly item: Item;
  /** Shallowest first. */
  readonly producers: Drv[];
  readonly active: Set<Drv>;
  /** Depth of the least deep derivation that has it as a source, where that matters. */
  floor: number;
  /** The producer that urgency flows to where it is not simply the shallowest. */
  flowsTo: Drv | undefined;
}

export function createProducers(
  { graph, isAvailable, isActive, hasFailed, shifted }: ProducerSources,
  memory: Memory = createMemory(),
): Producers {
  const shallowest = memory.ints('shallowest'); // Per item; -1 for sources.
  const contested = memory.map<Item, Contested>('contested');
  /** Those with builds under way of which urgency may flow to another than the shallowest producer's. */
  const open = new Set<Contested>();
  let deepItems = 0;
  let stale = false;
  memory.part('open', {
    save: () => ({ deepItems, stale, open: Array.from(open, ({ item }) => item) }),
    load(saved: { deepItems: number; stale: boolean; open: Item[] }) {
      ({ deepItems, stale } = saved);
      for (const item of saved.open) open.add(contested.get(item) as Contested);
    },
  });

  const first = (item: Item): Drv => (item < shallowest.length ? (shallowest.values[item] as number) : -1);
  /** Whether it may be made of what needs it. */
  const isDeep = ({ producers, floor }: Contested): boolean => graph.depth(producers[0] as Drv) >= floor;

  /** Whether the item may have another producer than the shallowest, or none. */
  function isInWant(item: Item): boolean {
    if (contested.size === 0) return false;
    const one = contested.get(item);
    if (one === undefined) return false;
    const [best] = one.producers as [Drv];
    return isDeep(one) || (!isActive(best) && one.producers.length > 1 && (hasFailed(best) || one.active.size > 0));
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

  /** Of an item in want, the first producer that is under way and has a sound chain. */
  function soundUnderWay({ producers, active }: Contested, known: Map<Drv, boolean>): Drv | undefined {
    return active.size === 0 ? undefined : producers.find((drv) => active.has(drv) && isSound(drv, known));
  }

  function update(one: Contested): void {
    stale = true;
    const isOpen = one.active.size > 0 && (isDeep(one) || !isActive(first(one.item)));
    if (isOpen) open.add(one);
    else open.delete(one);
    if (!isOpen || (one.flowsTo !== undefined && !isActive(one.flowsTo))) flow(one, undefined);
  }

  function flow(one: Contested, to: Drv | undefined): void {
    if (one.flowsTo === to) return;
    if (one.flowsTo !== undefined) shifted(one.flowsTo);
    one.flowsTo = to;
    if (to !== undefined) shifted(to);
  }

  function contest(item: Item): Contested {
    let one = contested.get(item);
    if (!one) {
      const best = first(item);
      const active = new Set(isActive(best) ? [best] : []);
      one = { item, producers: [best], active, floor: Number.POSITIVE_INFINITY, flowsTo: undefined };
      contested.set(item, one);
    }
    return one;
  }

  /** Changes who could produce an item, or who needs it. */
  function change(one: Contested, apply: () => void): void {
    const best = first(one.item);
    const wasDeep = isDeep(one);
    apply();
    deepItems += Number(isDeep(one)) - Number(wasDeep);
    if (isActive(best) && (first(one.item) !== best || isDeep(one) !== wasDeep)) shifted(best);
    update(one);
  }

  /** A further producer of an item. */
  function share(item: Item, drv: Drv): void {
    const one = contest(item);
    const { producers } = one;
    const depth = graph.depth(drv);
    let place = producers.length;
    while (place > 0 && graph.depth(producers[place - 1] as Drv) > depth) place--;
    change(one, () => {
      producers.splice(place, 0, drv);
      if (place === 0) shallowest.values[item] = drv;
    });
  }

  /** The first producer of an item, which may have been a source until now. */
  function produce(item: Item, drv: Drv): void {
    shallowest.values[item] = drv;
    graph.eachNeeder(item, (needer) => {
      need(item, needer);
      return undefined;
    });
  }

  /** A derivation that needs an item which has a producer. */
  function need(item: Item, needer: Drv): void {
    const depth = graph.depth(needer);
    if (graph.depth(first(item)) < depth) return;
    const one = contest(item);
    if (depth < one.floor)
      change(one, () => {
        one.floor = depth;
      });
  }

  /** Of several producers, or of one whose item may be made of what needs it. */
  function forgetContested(one: Contested, drv: Drv): void {
    if (one.flowsTo === drv) flow(one, undefined);
    if (one.producers.length > 1)
      change(one, () => {
        one.producers.splice(one.producers.indexOf(drv), 1);
        one.active.delete(drv);
        shallowest.values[one.item] = one.producers[0] as Drv;
      });
    else {
      if (isDeep(one)) deepItems--;
      open.delete(one);
      contested.delete(one.item);
      shallowest.values[one.item] = -1;
      stale = true;
    }
  }

  return {
    forget(drv) {
      graph.eachOutput(drv, (item) => {
        const one = contested.get(item);
        if (one !== undefined) forgetContested(one, drv);
        else shallowest.values[item] = -1;
      });
    },
    isDeep(item) {
      const one = deepItems > 0 ? contested.get(item) : undefined;
      return one !== undefined && isDeep(one);
    },
    of(item) {
      const best = first(item);
      if (best === -1) return undefined;
      if (!isInWant(item)) return best;
      const one = contested.get(item) as Contested;
      const known = new Map<Drv, boolean>();
      const sound = (drv: Drv): boolean => isSound(drv, known);
      const underWay = soundUnderWay(one, known);
      if (underWay !== undefined) return underWay;
      if (!isDeep(one) && !hasFailed(best)) return best;
      const other = one.producers.find((drv) => !hasFailed(drv) && sound(drv));
      return other ?? (isDeep(one) ? one.producers.find(sound) : best);
    },
    underWay(item) {
      const best = first(item);
      if (best === -1 || isAvailable(item)) return undefined;
      if (deepItems > 0 || !isActive(best)) {
        const one = contested.get(item);
        if (one !== undefined && (isDeep(one) || !isActive(best))) return one.flowsTo;
      }
      return isActive(best) ? best : undefined;
    },
    refresh() {
      if (!stale) return;
      stale = false;
      const known = new Map<Drv, boolean>();
      for (const one of open) flow(one, isAvailable(one.item) ? undefined : soundUnderWay(one, known));
    },
    derivationAdded(drv, sources) {
      graph.eachOutput(drv, (item) => {
        while (shallowest.length <= item) shallowest.push(-1);
        if (first(item) === -1) produce(item, drv);
        else share(item, drv);
      });
      for (const item of sources) if (first(item) !== -1) need(item, drv);
    },
    buildsChanged(drv) {
      if (contested.size === 0) return;
      graph.eachOutput(drv, (item) => {
        const one = contested.get(item);
        if (!one) return;
        if (isActive(drv)) one.active.add(drv);
        else one.active.delete(drv);
        update(one);
      });
    },
    availabilityChanged(item) {
      stale = true;
      const best = first(item);
      if (best !== -1 && isActive(best)) shifted(best);
    },
  };
}
