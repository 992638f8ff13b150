import { isEnded, liveAgent } from '../domain/build/state.ts';
import type { BuildRecord } from './builds.ts';
import type { Farm } from './farm.ts';
import type { Drv, Item } from './graph.ts';
import { createPace } from './pace.ts';

/** A derivation with an unfinished build. */
export interface OpenBuild {
  /** That which is with an agent, or the latest, or one that is not deferred as long. */
  readonly build: BuildRecord;
  readonly live: boolean;
  /** Places in the closure of what it waits for, each once. */
  readonly inputs: readonly number[];
  /** Nothing under way makes something that it needs itself, or its text is lost. */
  readonly stuck: boolean;
}

/**
 * What is unfinished of some builds and of all that they wait for, whoever asked for it. Costs as much as that has inputs.
 *
 * @yields now and then, so that whoever asks can let others have their turn; what ends meanwhile may still be among it.
 */
export function* unfinishedClosure(
  { graph, availability, producers, queue, texts }: Farm,
  builds: Iterable<BuildRecord>,
  pace = createPace(),
): Generator<undefined, readonly OpenBuild[]> {
  const places = new Map<Drv, number>();
  const open: OpenBuild[] = [];
  const drvs: Drv[] = [];

  function placeOf(drv: Drv): number {
    const known = places.get(drv);
    if (known !== undefined) return known;
    const place = drvs.push(drv) - 1;
    places.set(drv, place);
    return place;
  }

  function lookAt(drv: Drv): OpenBuild | undefined {
    const latest = queue.unfinished(drv);
    if (latest === undefined) return undefined;
    for (let build: BuildRecord | undefined = latest; build; build = build.previous)
      if (liveAgent(build.state) !== undefined) return { build, live: true, inputs: [], stuck: false };
    const inputs = new Set<number>();
    let stuck = texts.lost(drv) !== undefined;
    const seen = new Set<Item>();
    const pending: Item[] = [];
    graph.eachNeed(drv, (item) => {
      pace.followed();
      if (!availability.isAvailable(item)) pending.push(item);
    });
    for (let item = pending.pop(); item !== undefined; item = pending.pop()) {
      if (seen.has(item)) continue;
      seen.add(item);
      if (availability.isObtainable(item)) {
        for (const reference of availability.references(item))
          if (reference !== item && !availability.isAvailable(reference)) pending.push(reference);
        continue;
      }
      const producer = producers.of(item);
      if (producer !== undefined && queue.unfinished(producer)) inputs.add(placeOf(producer));
      else stuck = true;
    }
    return {
      build: latest.deferred ? soonest(queue.unfinishedOf(drv), latest) : latest,
      live: false,
      inputs: [...inputs],
      stuck,
    };
  }

  for (const build of builds) {
    if (!isEnded(build.state.status)) placeOf(build.drv);
    pace.followed();
    if (pace.isOver()) yield;
  }
  for (let place = 0; place < drvs.length; place++) {
    if (pace.isOver()) yield;
    pace.followed();
    const drv = drvs[place] as Drv;
    // One that has ended since it was met makes nothing wait any more.
    open.push(lookAt(drv) ?? ended(queue.latest(drv) as BuildRecord));
  }
  return open;
}

const ended = (build: BuildRecord): OpenBuild => ({ build, live: false, inputs: [], stuck: false });

/** The one that may start first, as far as that depends on how long they are deferred. */
function soonest(builds: Iterable<BuildRecord>, latest: BuildRecord): BuildRecord {
  const due = (build: BuildRecord): number => (build.deferred ? (build.state.options.deferUntil ?? 0) : 0);
  let first = latest;
  for (const build of builds) if (due(build) < due(first)) first = build;
  return first;
}
