import type { Availability } from '../../projections/availability.ts';
import { type Ints, ints } from '../../projections/column.ts';
import type { Drv, Graph, Item } from '../../projections/graph.ts';
import type { ItemDetails } from '../../projections/item-details.ts';

/**
 * Which items agents have in their stores, as far as is known: what they fetched and built, and what they say of their stores. It only tells which of two agents
 * is given a build that either could take, so it may be wrong, and is not in the log: an agent that has forgotten something fetches it.
 */
export interface Holdings {
  /** An attempt has started to build the derivation: what it needs is there. */
  fetched(agent: string, drv: Drv): void;
  built(agent: string, drv: Drv): void;
  /** What the agent says that it has, by the 32 characters of each hash part; `fresh`: and nothing else, as far as it knows. */
  told(agent: string, hashes: string, fresh: boolean): void;
  /** The agent may have another store by now, or none. */
  forget(agent: string): void;
  /**
   * Of these agents, which could all build the derivation, the first of those that lack the fewest bytes of its inputs. One of which nothing is known lacks all.
   */
  preferred<Candidate extends { readonly name: string }>(drv: Drv, agents: readonly Candidate[]): Candidate;
}

export interface HoldingsSources {
  readonly graph: Graph;
  readonly availability: Pick<Availability, 'eachReference'>;
  /** Bytes to fetch are those of the file. */
  readonly details: Pick<ItemDetails, 'fileSize'>;
}

/** Agents of which it is known what they have: a bit for each item and agent, 32 MB for a million items. Of more of them nothing is. */
export const mostAgents = 256;
/** Items that are noted in one turn; what a larger closure has beyond stays unknown. */
const mostNoted = 20_000;
const bits = 32;

export function createHoldings({ graph, availability, details }: HoldingsSources): Holdings {
  /** For 32 agents each, a number per item with a bit for each of them. */
  const planes: Ints[] = [];
  const columns = new Map<string, number>();
  const free: number[] = [];
  // Of the agents that are compared: their columns, and by these their bits, those of them that have the item that is looked at, and by how many bytes each is ahead.
  const compared: number[] = [];
  const masks = new Int32Array(mostAgents / bits);
  const held = new Int32Array(mostAgents / bits);
  const scores = new Float64Array(mostAgents);

  function columnFor(agent: string): number | undefined {
    const known = columns.get(agent);
    if (known !== undefined || (free.length === 0 && columns.size === mostAgents)) return known;
    const column = free.pop() ?? columns.size;
    columns.set(agent, column);
    planes[Math.floor(column / bits)] ??= ints();
    return column;
  }

  /** Notes the items and all that they refer to. Whoever has an item has its references, so it goes no further from what is noted. */
  function note(agent: string, each: (visit: (item: Item) => void) => void): void {
    const column = columnFor(agent);
    if (column === undefined) return;
    const plane = planes[Math.floor(column / bits)] as Ints;
    const bit = 1 << (column % bits);
    let left = mostNoted;
    const pending: Item[] = [];
    const take = (item: Item): void => {
      while (plane.length <= item) plane.push(0);
      const known = plane.values[item] as number;
      if ((known & bit) !== 0 || left === 0) return;
      plane.values[item] = known | bit;
      left--;
      pending.push(item);
    };
    each(take);
    for (let item = pending.pop(); item !== undefined; item = pending.pop()) availability.eachReference(item, take);
  }

  function clear(column: number): void {
    const { values, length } = planes[Math.floor(column / bits)] as Ints;
    const mask = ~(1 << (column % bits));
    for (let item = 0; item < length; item++) values[item] = (values[item] as number) & mask;
  }

  return {
    fetched: (agent, drv) => note(agent, (visit) => graph.eachNeed(drv, visit)),
    built: (agent, drv) => note(agent, (visit) => graph.eachOutput(drv, visit)),
    told(agent, hashes, fresh) {
      const column = columns.get(agent);
      if (fresh && column !== undefined) clear(column);
      note(agent, (visit) => {
        for (let at = 0; at + 32 <= hashes.length; at += 32) {
          const item = graph.itemByHash(hashes.slice(at, at + 32));
          if (item !== undefined) visit(item);
        }
      });
    },
    forget(agent) {
      const column = columns.get(agent);
      if (column === undefined) return;
      clear(column);
      columns.delete(agent);
      free.push(column);
    },
    preferred(drv, agents) {
      const first = agents[0] as (typeof agents)[number];
      if (agents.length < 2 || columns.size === 0) return first;
      masks.fill(0);
      let known = 0;
      for (let n = 0; n < agents.length; n++) {
        const column = columns.get((agents[n] as (typeof agents)[number]).name);
        compared[n] = column ?? -1;
        if (column === undefined) continue;
        const at = Math.floor(column / bits);
        masks[at] = (masks[at] as number) | (1 << (column % bits));
        scores[column] = 0;
        known++;
      }
      let stranger = 0;
      const used = planes.length;
      graph.eachNeed(drv, (item) => {
        let holders = 0;
        for (let at = 0; at < used; at++) {
          const plane = planes[at] as Ints;
          const holding = item < plane.length ? (plane.values[item] as number) & (masks[at] as number) : 0;
          held[at] = holding;
          if (holding !== 0) holders += countBits(holding);
        }
        // What all have, or none, makes no difference.
        if (holders === 0 || holders === agents.length) return;
        const size = details.fileSize(item);
        // Only differences count: it is added for those that have it or taken from those that lack it, whichever are fewer.
        const few = holders * 2 <= known;
        if (!few) stranger -= size;
        for (let at = 0; at < used; at++) {
          const holding = held[at] as number;
          for (let left = few ? holding : (masks[at] as number) & ~holding; left !== 0; left &= left - 1) {
            const column = at * bits + 31 - Math.clz32(left & -left);
            scores[column] = (scores[column] as number) + (few ? size : -size);
          }
        }
      });
      let best = 0;
      let most = Number.NEGATIVE_INFINITY;
      for (let n = 0; n < agents.length; n++) {
        const column = compared[n] as number;
        const score = column === -1 ? stranger : (scores[column] as number);
        if (score <= most) continue;
        best = n;
        most = score;
      }
      return agents[best] as (typeof agents)[number];
    },
  };
}

function countBits(word: number): number {
  let pairs = word - ((word >>> 1) & 0x55555555);
  pairs = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((pairs + (pairs >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
