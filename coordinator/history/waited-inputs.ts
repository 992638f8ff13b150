import { hashPartLength } from '../../domain/store/store-path.ts';
import { type BuildRecord, buildId } from '../../projections/builds.ts';
import type { Item } from '../../projections/graph.ts';
import type { Span } from '../../projections/timeline.ts';
import type { Core } from '../core.ts';
import { decodeEvent } from '../log/event-codec.ts';
import type { WaitedItem } from './entries.ts';

/** Inputs that are looked at for one build, events of each, and how many a wait names. */
const mostInputs = 500;
const mostEvents = 50;
const mostNamed = 10;

/** A time in which an item was not there. */
interface Absence {
  readonly item: Item;
  readonly from: number;
  /** Infinity where it has not come since. */
  readonly to: number;
}

export interface WaitedInputs {
  /** What was not there of a wait for inputs, the last to come first. */
  of(span: Span): { readonly inputs: readonly WaitedItem[]; readonly total: number };
  /** Inputs that were not looked at. */
  readonly left: number;
}

/** When each input of the build was there, by the events of its own stream. */
export async function readWaitedInputs(
  { farm, log }: Pick<Core, 'farm' | 'log'>,
  build: BuildRecord,
): Promise<WaitedInputs> {
  const { graph, producers, queue } = farm;
  const needs = new Set<Item>();
  graph.eachNeed(build.drv, (item) => void needs.add(item));
  const absences: Absence[] = [];
  for (const item of [...needs].slice(0, mostInputs)) {
    let from: number | undefined = 0;
    for await (const stored of log.read(`item-${graph.itemPath(item).slice(0, hashPartLength)}`, {
      limit: mostEvents,
    })) {
      const event = decodeEvent(stored);
      if (!event.known) continue;
      if (event.type === 'StoreItemAdded') {
        if (from !== undefined) absences.push({ item, from, to: event.at });
        from = undefined;
      } else from ??= event.at;
    }
    if (from !== undefined) absences.push({ item, from, to: Number.POSITIVE_INFINITY });
  }

  function described({ item, to }: Absence): WaitedItem {
    const producer = producers.of(item);
    const last = producer === undefined ? undefined : queue.latest(producer);
    return {
      item: graph.itemPath(item),
      ...(to !== Number.POSITIVE_INFINITY && { at: to }),
      ...(last && { build: buildId(last) }),
    };
  }

  return {
    of(span) {
      const absent = absences.filter(({ from, to }) => from < span.to && to > span.from);
      absent.sort((a, b) => b.to - a.to);
      // It was there, and something that it refers to was not.
      if (absent.length === 0 && span.item !== undefined)
        return { inputs: [described({ item: span.item, from: 0, to: span.to })], total: 1 };
      return { inputs: absent.slice(0, mostNamed).map(described), total: absent.length };
    },
    left: Math.max(0, needs.size - mostInputs),
  };
}
