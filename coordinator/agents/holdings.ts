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
  // Of the agents that are compared: their bits, those of them that lack the item that is looked at, and what each lacks in bytes.
  const masks = new Int32Array(mostAgents / bits);
  const without = new Int32Array(mostAgents / bits);
  const lacks = new Float64Array(mostAgents);

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
      let strangers = 0;
      for (const { name } of agents) {
        const column = columns.get(name);
        if (column === undefined) {
          strangers++;
          continue;
        }
        const at = Math.floor(column / bits);
        masks[at] = (masks[at] as number) | (1 << (column % bits));
        lacks[column] = 0;
      }
      let all = 0;
      graph.eachNeed(drv, (item) => {
        let some = 0;
        let lacking = 0;
        for (let at = 0; at < planes.length; at++) {
          const mask = masks[at] as number;
          const plane = planes[at] as Ints;
          const holding = item < plane.length ? (plane.values[item] as number) & mask : 0;
          without[at] = mask & ~holding;
          some |= holding;
          lacking |= without[at] as number;
        }
        // What all have, or none, makes no difference.
        if (some === 0 || (lacking === 0 && strangers === 0)) return;
        const size = details.fileSize(item);
        all += size;
        for (let at = 0; at < planes.length; at++)
          for (let left = without[at] as number; left !== 0; left &= left - 1) {
            const column = at * bits + 31 - Math.clz32(left & -left);
            lacks[column] = (lacks[column] as number) + size;
          }
      });
      let best = first;
      let fewest = Number.POSITIVE_INFINITY;
      for (const agent of agents) {
        const column = columns.get(agent.name);
        const lacking = column === undefined ? all : (lacks[column] as number);
        if (lacking >= fewest) continue;
        best = agent;
        fewest = lacking;
      }
      return best;
    },
  };
}
