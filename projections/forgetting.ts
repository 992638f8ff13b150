import { isEnded } from '../domain/build/state.ts';
import type { MemoryEvent } from '../domain/memory/events.ts';
import type { Availability } from './availability.ts';
import { type BuildRecord, buildId } from './builds.ts';
import { bytes, type Ints, ints } from './column.ts';
import type { Drv, Graph, Item } from './graph.ts';
import type { Leftovers } from './leftovers.ts';
import { createMemory, type Memory } from './memory.ts';
import type { Producers } from './producers.ts';
import type { Queue } from './queue.ts';
import type { Roots } from './roots.ts';
import type { SubmissionRecord, Submissions } from './submissions.ts';
import type { Texts } from './texts.ts';

/**
 * What is over leaves the hot projections: the log and the views have it, and decisions need it no more. Submissions that are over go in
 * the order in which they ended, once those after them have as many builds as the log says (`BuildsRemembered`); with one go its builds, and the derivations that it
 * asked for and nothing else needs, with what only these needed. A derivation stays while it has an unfinished build, while one that stays needs
 * an output of it, while a root keeps one, or while its text is lost; and with it stays the last build of it, which tells how it ended.
 *
 * Store items that are not here any more go likewise, once as many others have come to be of no use after them: those that no derivation which
 * stays makes or needs, that no root keeps, and that nothing refers to.
 *
 * When something goes follows from the events alone, a little after each: the same log always leaves the same farm (I3).
 */
export interface Forgetting {
  /** Nothing of the submission is under way, nor will be. */
  over(submission: SubmissionRecord): void;
  /** The roots of the submission keep their derivations from now on. */
  requested(submission: SubmissionRecord): void;
  /** Nothing of the submission was queued, nor will be: its roots are awaited no more. */
  dropped(roots: readonly string[]): void;
  /** Something that kept the derivation does so no more, or it has a newer build. */
  loosened(drv: Drv): void;
  /** No root keeps the item any more, or the derivations that make it. */
  itemLoosened(item: Item): void;
  /** The item went, or something does not lead to it any more. */
  itemIdle(item: Item): void;
  /** Goes on with what is to go; to be called after each event. */
  goOn(): void;
  /** Whether the submission goes, or has gone in part: builds of it may be lacking, and what it requested may be other derivations by now. */
  isLetGo(submission: string): boolean;
  /**
   * Tells from then on whether all that was under way then, or came later, is there still: builds that had not ended when somebody came by
   * them, their derivations, and what these need. False a little before the first of it goes.
   */
  watch(): () => boolean;
  /** Derivations that went, counted each time. */
  readonly derivations: number;
  /** Store items that went, counted each time. */
  readonly items: number;
  /** Store items that may be of no use, and have not been let go. */
  readonly idleItems: number;
  /** How many builds are remembered, and items that are of no use; Infinity while the log does not say. */
  readonly remembered: number;
  /** How fast, as the log says: {@link newestPace}, or as a coordinator of before went. */
  readonly pace: number;
  /** Builds of submissions that are over and have not been let go, and {@link ownWeight} more for each of these. */
  readonly weight: number;
  /** Revision of the last event of its stream. */
  revision: number | undefined;
  /** BuildsRemembered. */
  apply(event: MemoryEvent, revision: number): void;
}

export interface ForgettingSources {
  readonly graph: Graph;
  readonly producers: Pick<Producers, 'isDeep'>;
  readonly queue: Pick<
    Queue,
    'isActive' | 'latest' | 'numbered' | 'highestNumber' | 'forgetBuild' | 'forgetSubmission'
  >;
  readonly availability: Pick<Availability, 'isObtainable' | 'isReferredTo' | 'eachReference'>;
  /** Whether the pool still has its bytes. */
  isHeld(item: Item): boolean;
  readonly roots: Pick<Roots, 'keeping'>;
  readonly texts: Pick<Texts, 'lost'>;
  readonly leftovers: Pick<Leftovers, 'has'>;
  readonly submissions: Pick<Submissions, 'get' | 'isAwaited' | 'joinedTo' | 'forget'>;
  /** The build is about to go. */
  forgetBuild(build: BuildRecord): void;
  /** The derivation is about to go; its builds have. */
  forgetDerivation(drv: Drv): void;
  /** The item is about to go; nothing leads to it. */
  forgetItem(item: Item): void;
}

/** Builds of submissions that are over, those that they joined included, that stay unless somebody says otherwise: some 200 MB of memory at most. */
export const usuallyRemembered = 2 ** 18;
/** However large they are, so many of the submissions that ended last stay: what reacts to their end still finds them. */
const leastSubmissions = 4;
/** A submission counts as that many builds more than it has. */
const ownWeight = 8;

/** What is done after one event: a derivation that goes counts as so many others that are looked at, and takes some ten microseconds. */
const perEvent = 64;
const perForgotten = 8;
/** And this part of what is due, as few events can leave much to do: a submission that asks for thousands of what is there is three of them. */
const partPerEvent = 1 / 64;

/** @param forgets whether what the log says is done; otherwise nothing goes */
export function createForgetting(
  sources: ForgettingSources,
  forgets: boolean,
  memory: Memory = createMemory(),
): Forgetting {
  let remembered = Number.POSITIVE_INFINITY;
  let pace = 1;
  let revision: number | undefined;
  const { graph, availability, producers, queue, roots, texts, leftovers, submissions } = sources;
  /** Per derivation: how many submissions that have not been let go asked for it. */
  const asks = memory.ints('asks');
  /** Submissions that are over, in that order, from `first` on. */
  let ended: { readonly id: string; readonly weight: number }[] = [];
  let first = 0;
  let weight = 0;
  // Since this farm was made: how many submissions were over, how many of these were let go, which go in the same order, and how many were dropped.
  const seen = { over: 0, letGo: 0, dropped: 0 };
  /** The submission that is being let go, and which of its builds is next. */
  let current: { readonly id: string; number: number } | undefined;
  /** Those that were let go and still have builds, each the last one of a derivation that stays. */
  const letGo = memory.set<string>('letGo');
  /** Derivations to be looked at, from `next` on, each once. */
  const loose = ints();
  let next = 0;
  const isLoose = bytes();
  let forgotten = 0;
  /** Items to be looked at once there are more than are remembered, from `nextItem` on, each once. */
  const idle = ints();
  let nextItem = 0;
  const isIdle = bytes();
  let forgottenItems = 0;
  memory.part('state', {
    save: () => ({
      remembered,
      pace,
      revision,
      ended: ended.slice(first),
      weight,
      current,
      loose: loose.values.slice(next, loose.length),
      forgotten,
      idle: idle.values.slice(nextItem, idle.length),
      forgottenItems,
    }),
    load(saved: {
      remembered: number;
      pace: number;
      revision: number | undefined;
      ended: typeof ended;
      weight: number;
      current: typeof current;
      loose: Int32Array;
      forgotten: number;
      idle: Int32Array;
      forgottenItems: number;
    }) {
      ({ remembered, pace, revision, ended, weight, current, forgotten, forgottenItems } = saved);
      seen.over = ended.length;
      for (const drv of saved.loose) loosened(drv);
      for (const item of saved.idle) itemIdle(item);
    },
  });

  function loosened(drv: Drv): void {
    while (isLoose.length <= drv) isLoose.push(0);
    if (isLoose.values[drv] !== 0) return;
    isLoose.values[drv] = 1;
    loose.push(drv);
  }

  function itemLoosened(item: Item): void {
    graph.eachProducer(item, (drv) => void loosened(drv));
    itemIdle(item);
  }

  function itemIdle(item: Item): void {
    while (isIdle.length <= item) isIdle.push(0);
    if (isIdle.values[item] !== 0) return;
    isIdle.values[item] = 1;
    idle.push(item);
  }

  function mayItemGo(item: Item): boolean {
    if (availability.isObtainable(item) || sources.isHeld(item) || roots.keeping(item) !== undefined) return false;
    return graph.isAlone(item) && !availability.isReferredTo(item);
  }

  /** @returns what it counts. */
  function lookAtItem(item: Item): number {
    isIdle.values[item] = 0;
    if (!mayItemGo(item)) return 1;
    forgottenItems++;
    availability.eachReference(item, itemIdle);
    sources.forgetItem(item);
    return perForgotten;
  }

  function ask(drv: Drv, more: 1 | -1): void {
    while (asks.length <= drv) asks.push(0);
    asks.values[drv] = (asks.values[drv] as number) + more;
  }

  /** Whether something that stays, and is deeper, needs an output: what is not deeper has the item from elsewhere, and would be needed in turn. */
  function isNeeded(drv: Drv): boolean {
    let found = false;
    graph.eachOutput(drv, (item) => {
      if (found || !graph.isNeeded(item)) return;
      if (!producers.isDeep(item)) found = true;
      else
        graph.eachNeeder(item, (needer) => {
          found = graph.depth(needer) > graph.depth(drv);
          return found;
        });
    });
    return found;
  }

  function isKept(drv: Drv): boolean {
    let found = false;
    graph.eachOutput(drv, (item) => {
      found ||= roots.keeping(item) !== undefined;
    });
    return found;
  }

  function mayGo(drv: Drv): boolean {
    if (queue.isActive(drv) || (drv < asks.length && asks.values[drv] !== 0) || isNeeded(drv)) return false;
    for (let build = queue.latest(drv); build !== undefined; build = build.previous)
      if (!letGo.has(build.submission)) return false;
    if (texts.lost(drv) !== undefined || leftovers.has(drv)) return false;
    return !isKept(drv) && !submissions.isAwaited(graph.drvPath(drv));
  }

  function forgetBuild(build: BuildRecord): void {
    const { submission } = build;
    sources.forgetBuild(build);
    queue.forgetBuild(build);
    drop(submission);
  }

  /** The submission goes once nothing is left of it. */
  function drop(id: string): void {
    if (!letGo.has(id) || queue.highestNumber(id) > 0) return;
    letGo.delete(id);
    queue.forgetSubmission(id);
    submissions.forget(id);
  }

  function forget(drv: Drv): void {
    forgotten++;
    for (let build = queue.latest(drv); build !== undefined; build = queue.latest(drv)) forgetBuild(build);
    const needed: Item[] = [];
    graph.eachNeed(drv, (item) => void needed.push(item));
    graph.eachOutput(drv, itemIdle);
    sources.forgetDerivation(drv);
    for (const item of needed) itemLoosened(item);
  }

  /** Whether a submission joined it that was not let go. */
  const isJoined = (build: BuildRecord): boolean =>
    submissions.joinedTo(buildId(build)).some((id) => submissions.get(id) !== undefined && !letGo.has(id));

  /** Earlier builds of a derivation that stays go with their submissions, as the last one tells all that decisions need; unless rules that keep outputs count them. */
  function forgetEarlier(drv: Drv): void {
    const earlier: BuildRecord[] = [];
    for (let build = queue.latest(drv)?.previous; build !== undefined; build = build.previous)
      if (letGo.has(build.submission) && isEnded(build.state.status) && !isJoined(build)) earlier.push(build);
    if (earlier.length > 0 && !leftovers.has(drv) && !isKept(drv)) for (const build of earlier) forgetBuild(build);
  }

  /** @returns what it counts. */
  function look(drv: Drv): number {
    isLoose.values[drv] = 0;
    if (!graph.isDerivation(drv)) return 1;
    if (!mayGo(drv)) {
      forgetEarlier(drv);
      return 1;
    }
    forget(drv);
    return perForgotten;
  }

  /** @returns whether there was something to do. */
  function letGoOn(): boolean {
    if (current === undefined) {
      const oldest = ended[first];
      if (
        oldest === undefined ||
        weight <= remembered ||
        ended.length - first <= Math.min(leastSubmissions, remembered)
      )
        return false;
      first++;
      if (first > 1024) {
        ended = ended.slice(first);
        first = 0;
      }
      weight -= oldest.weight;
      letGo.add(oldest.id);
      seen.letGo++;
      current = { id: oldest.id, number: queue.highestNumber(oldest.id) };
      for (const drv of submissions.get(oldest.id)?.requested ?? []) {
        ask(drv, -1);
        loosened(drv);
      }
      return true;
    }
    // What it asked for may have gone by now, and most of its builds with that.
    const { id, number } = current;
    const build = number === 0 ? undefined : queue.numbered(id, number);
    if (build !== undefined) loosened(build.drv);
    current.number--;
    if (number > 0) return true;
    current = undefined;
    drop(id);
    return true;
  }

  return {
    over({ id, joined, requested }) {
      const own = ownWeight + queue.highestNumber(id) + joined.length + requested.length;
      ended.push({ id, weight: own });
      weight += own;
      seen.over++;
    },
    dropped(roots) {
      seen.dropped++;
      for (const root of roots) {
        const drv = graph.drvOf(root);
        if (drv !== undefined) loosened(drv);
      }
    },
    requested({ requested }) {
      for (const drv of requested) ask(drv, 1);
    },
    loosened,
    itemLoosened,
    itemIdle,
    goOn() {
      let left = perEvent;
      if (pace > 1) {
        const due = loose.length - next + Math.max(0, weight - remembered);
        left += Math.floor((due + Math.max(0, idle.length - nextItem - remembered)) * partPerEvent);
      }
      do {
        while (left > 0 && next < loose.length) left -= look(loose.values[next++] as Drv);
        if (next * 2 >= loose.length) next = compact(loose, next);
        while (left > 0 && loose.length === 0 && letGoOn()) left--;
      } while (pace > 1 && left > 0 && next < loose.length);
      while (left > 0 && idle.length - nextItem > remembered) left -= lookAtItem(idle.values[nextItem++] as Item);
      if (nextItem * 2 >= idle.length) nextItem = compact(idle, nextItem);
    },
    isLetGo: (submission) => letGo.has(submission),
    watch() {
      // Whose builds have not ended comes after all that are over.
      const { over, dropped } = seen;
      return () => seen.letGo <= over && seen.dropped === dropped;
    },
    get derivations() {
      return forgotten;
    },
    get items() {
      return forgottenItems;
    },
    get idleItems() {
      return idle.length - nextItem;
    },
    get remembered() {
      return remembered;
    },
    get pace() {
      return pace;
    },
    get weight() {
      return weight;
    },
    get revision() {
      return revision;
    },
    set revision(value) {
      revision = value;
    },
    apply({ data }, at) {
      if (forgets) remembered = data.builds;
      pace = data.pace ?? 1;
      revision = at;
    },
  };
}

/** Drops what comes before. @returns where the rest begins. */
function compact(queue: Ints, before: number): 0 {
  queue.values.copyWithin(0, before, queue.length);
  queue.length -= before;
  return 0;
}
