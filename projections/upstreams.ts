import type { ItemEvent, UpstreamItem } from '../domain/item/events.ts';
import type { Availability } from './availability.ts';
import type { Graph, Item } from './graph.ts';
import { createMemory, type Memory } from './memory.ts';

/** What upstreams said of items that the pool does not have, and when they are asked again; and of which items they are not believed. */
export interface UpstreamItems {
  readonly size: number;
  get(item: Item): UpstreamItem | undefined;
  /** Items that an upstream is relied on for, with its name. */
  all(): Iterable<{ readonly item: Item; readonly upstream: string; readonly expires: number }>;
  /** How many items each upstream is relied on for, by its name. */
  counts(): ReadonlyMap<string, number>;
  /** The earliest time at which one is asked again; `undefined` if there is none. */
  nextExpiry(): number | undefined;
  /** That the upstream did not give the item when it was wanted, and was not found to have it since. */
  distrust(item: Item, upstream: string): Distrust | undefined;
  /** @param at when it was stored. */
  apply(item: Item, event: ItemEvent, at: number): void;
  /** An item that no upstream is relied on for. */
  forget(item: Item): void;
  describe(): Generator<string>;
}

export interface Distrust {
  /** When it was found out last, and until when it is not believed to have the item, whatever it says: milliseconds since the Unix epoch. */
  readonly at: number;
  readonly until: number;
}

type Known = Omit<UpstreamItem, 'path' | 'references'> & { readonly refersToItself: boolean };

export function createUpstreamItems(
  graph: Graph,
  availability: Availability,
  memory: Memory = createMemory(),
): UpstreamItems {
  const known = memory.map<Item, Known>('known');
  const counts = memory.map<string, number>('counts');
  const distrusted = memory.map<Item, Map<string, Distrust>>('distrusted');
  /** By when they expire: what is found together expires together. */
  const expiries = memory.map<number, number>('expiries');

  function count<Key>(map: Map<Key, number>, key: Key, change: number): void {
    const next = (map.get(key) ?? 0) + change;
    if (next === 0) map.delete(key);
    else map.set(key, next);
  }

  function forget(item: Item): void {
    const before = known.get(item);
    if (before === undefined) return;
    known.delete(item);
    count(counts, before.upstream, -1);
    count(expiries, before.expires, -1);
  }

  function trust(item: Item, upstream: string): void {
    const all = distrusted.get(item);
    all?.delete(upstream);
    if (all?.size === 0) distrusted.delete(item);
  }

  return {
    get size() {
      return known.size;
    },
    get(item) {
      const found = known.get(item);
      if (found === undefined) return undefined;
      const { refersToItself, ...rest } = found;
      const path = graph.itemPath(item);
      const references = availability.references(item).map(graph.itemPath);
      if (refersToItself) references.push(path);
      return { path, references: references.sort(), ...rest };
    },
    *all() {
      for (const [item, { upstream, expires }] of known) yield { item, upstream, expires };
    },
    counts: () => counts,
    nextExpiry() {
      let first: number | undefined;
      for (const expires of expiries.keys()) if (first === undefined || expires < first) first = expires;
      return first;
    },
    distrust: (item, upstream) => distrusted.get(item)?.get(upstream),
    apply(item, event, at) {
      if (event.type === 'StoreItemAdded') return forget(item);
      if (event.type === 'StoreItemLostUpstream') {
        const { upstream, until } = event.data;
        if (known.get(item)?.upstream === upstream) forget(item);
        if (until === undefined) return;
        const all = distrusted.get(item) ?? new Map<string, Distrust>();
        distrusted.set(item, all.set(upstream, { at, until }));
        return;
      }
      if (event.type !== 'StoreItemFoundUpstream' || availability.isPresent(item)) return;
      forget(item);
      trust(item, event.data.upstream);
      known.set(item, saidOf(event.data));
      count(counts, event.data.upstream, 1);
      count(expiries, event.data.expires, 1);
    },
    forget: (item) => void distrusted.delete(item),
    *describe() {
      for (const [item, said] of known) yield `upstream ${graph.itemPath(item)} ${JSON.stringify(said)}`;
      for (const [item, all] of distrusted) yield `distrusted ${graph.itemPath(item)} ${JSON.stringify([...all])}`;
    },
  };
}

/** In one order of fields, whoever made the event. */
function saidOf({
  path,
  references,
  upstream,
  narHash,
  narSize,
  deriver,
  ca,
  signatures,
  url,
  compression,
  expires,
}: UpstreamItem): Known {
  const optional = { ...(deriver !== undefined && { deriver }), ...(ca !== undefined && { ca }) };
  const refersToItself = references.includes(path);
  return { upstream, narHash, narSize, ...optional, signatures, url, compression, expires, refersToItself };
}
