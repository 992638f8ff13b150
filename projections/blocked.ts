import type { Availability } from './availability.ts';
import type { Drv, Graph, Item, JobClass } from './graph.ts';
import type { Losses } from './losses.ts';
import { createMemory, type Memory } from './memory.ts';
import type { Producers } from './producers.ts';
import type { Queue } from './queue.ts';
import type { Texts } from './texts.ts';

/**
 * What a build can be blocked by, at the root. Of a store item that it needs, over however many steps: `failed`, `canceled`: its last build
 * ended so; `no-build`: nobody asked for one; `source-missing`: nobody sent it; `source-lost`: it was there, and was deleted or lost since.
 * Of its derivation or one that it needs: `text-lost`: the text is gone; `no-agent`: no agent takes such builds, and none will by itself.
 */
export const blockingCauses = [
  'failed',
  'canceled',
  'no-build',
  'source-missing',
  'source-lost',
  'text-lost',
  'no-agent',
] as const;
export type BlockingCause = (typeof blockingCauses)[number];

/**
 * Which builds are *blocked*: they have not ended, no agent has them, and nothing that is under way can set them going: a person has to
 * act. An input that is being built, is queued, or is tried again later is under way; so is an agent whose connection was lost just now, or
 * that is in quarantine. What is not to be had spreads to all that waits for it, from inputs up.
 *
 * Kept as a set of causes per derivation that has unfinished builds. Events only note what has to be looked at again, which costs next to
 * nothing; whoever asks pays for what has changed since somebody asked last, each derivation and its needs once.
 */
export interface Blocked {
  /** Causes of the unfinished builds of a derivation; none where they are not blocked. */
  causes(drv: Drv): Causes;
  /** Whether the unfinished builds of the derivation are blocked. */
  isBlocked(drv: Drv): boolean;
  /** Why an item that is not available is not coming; none where it is coming. */
  causesOfItem(item: Item): Causes;
  /** Whether no agent takes builds of the class, nor will by itself. */
  isUnattended(jobClass: JobClass): boolean;
  /** Another number whenever something that was blocked may not be any more. */
  unblocked(): number;
  /** Number of builds that are blocked, and of those that each cause is at the root of: one can have several. */
  counts(): { readonly blocked: number; readonly causes: Readonly<Record<BlockingCause, number>> };
  /**
   * A build of the derivation was added, was given to an agent or taken from one, is deferred or not any more, or has ended; its text was lost or is there again; or it
   * lacks an input, and did not before.
   */
  touched(drv: Drv): void;
  /** Others than before may make the outputs of the derivation, or nobody. */
  outputsTouched(drv: Drv): void;
  /** The item has come or gone. */
  itemTouched(item: Item): void;
  /** What agents take may have changed. */
  agentsTouched(): void;
}

/** A set of {@link BlockingCause}: bit n is the n-th. */
export type Causes = number;
export const causeBit = (cause: BlockingCause): Causes => 1 << blockingCauses.indexOf(cause);
const noBuild = causeBit('no-build');
const sourceMissing = causeBit('source-missing');
const sourceLost = causeBit('source-lost');
const textLost = causeBit('text-lost');
const noAgent = causeBit('no-agent');
/** Of an item that nothing was asked about yet. */
const unknown = 128;
/** Of an item that was looked through only: others rest on it, and what it is itself was not asked. */
const seenThrough = 192;

export const hasCause = (causes: Causes, cause: BlockingCause): boolean => (causes & causeBit(cause)) !== 0;

export interface BlockedSources {
  readonly graph: Graph;
  readonly producers: Pick<Producers, 'of' | 'underWay' | 'refresh'>;
  readonly availability: Pick<Availability, 'isAvailable' | 'isObtainable' | 'references' | 'eachReferrer'>;
  readonly losses: Pick<Losses, 'get'>;
  readonly queue: Pick<Queue, 'isActive' | 'latest' | 'unfinishedCount' | 'isWithAgent' | 'isDeferred' | 'missing'>;
  readonly texts: Pick<Texts, 'lost'>;
  /** Whether an agent takes builds of the class, or will by itself. */
  isAttended(jobClass: JobClass): boolean;
  /** Whether a submission is being queued: then what nobody has asked for yet may be about to be. */
  isQueueing(): boolean;
}

export function createBlocked(sources: BlockedSources, memory: Memory = createMemory()): Blocked {
  const { graph, producers, availability, losses, queue, texts, isAttended, isQueueing } = sources;
  const drvCauses = memory.bytes('drvCauses');
  /** Per derivation: how many of its builds are in the tally with these causes. */
  const counted = memory.ints('counted');
  const itemCauses = memory.bytes('itemCauses');
  const drvDirty = memory.bytes('drvDirty');
  const itemDirty = memory.bytes('itemDirty');
  const dirtyDrvs = memory.ints('dirtyDrvs');
  const dirtyItems = memory.ints('dirtyItems');
  let agentsDirty = true;
  const unattended = memory.list<boolean>('unattended');

  const tally = blockingCauses.map(() => 0);
  let all = 0;
  /** Those whose one cause is that nobody asked for something. */
  let unasked = 0;
  /** How often a derivation was blocked and then was not. */
  let unblocked = 0;
  memory.part('tally', {
    save: () => ({ tally, all, unasked, agentsDirty }),
    load(saved: { tally: readonly number[]; all: number; unasked: number; agentsDirty: boolean }) {
      tally.splice(0, tally.length, ...saved.tally);
      ({ all, unasked, agentsDirty } = saved);
    },
  });

  function drvRow(drv: Drv): void {
    while (drvCauses.length <= drv) {
      drvCauses.push(0);
      counted.push(0);
      drvDirty.push(0);
    }
  }
  function itemRow(item: Item): void {
    while (itemCauses.length <= item) {
      itemCauses.push(unknown);
      itemDirty.push(0);
    }
  }
  const known = (drv: Drv): Causes => (drv < drvCauses.length ? (drvCauses.values[drv] as number) : 0);

  function touched(drv: Drv): void {
    drvRow(drv);
    if (drvDirty.values[drv] !== 0) return;
    drvDirty.values[drv] = 1;
    dirtyDrvs.push(drv);
  }

  function itemTouched(item: Item): void {
    // Nothing rests on what was never looked at.
    if (item >= itemCauses.length || itemCauses.values[item] === unknown || itemDirty.values[item] !== 0) return;
    itemDirty.values[item] = 1;
    dirtyItems.push(item);
  }

  function count(causes: Causes, builds: number): void {
    if (causes === 0) return;
    all += builds;
    if (causes === noBuild) unasked += builds;
    for (let bit = 0; bit < tally.length; bit++) if (causes & (1 << bit)) tally[bit] = (tally[bit] as number) + builds;
  }

  /** Why an item that is not there is not coming. */
  function absence(item: Item): Causes {
    const maker = producers.underWay(item);
    if (maker !== undefined) return known(maker);
    const producer = producers.of(item);
    if (producer === undefined) return losses.get(item) === undefined ? sourceMissing : sourceLost;
    const status = queue.isActive(producer) ? undefined : queue.latest(producer)?.state.status;
    return status === 'failed' || status === 'canceled' ? causeBit(status) : noBuild;
  }

  function lookAtItem(item: Item): Causes {
    if (availability.isAvailable(item)) return 0;
    if (!availability.isObtainable(item)) return absence(item);
    // It lacks something that it refers to, or that what it refers to does.
    let causes = 0;
    const seen = new Set([item]);
    for (const one of seen) {
      for (const reference of availability.references(one)) {
        if (availability.isAvailable(reference)) continue;
        if (!availability.isObtainable(reference)) causes |= causesOfItem(reference);
        else {
          itemRow(reference);
          if (itemCauses.values[reference] === unknown) itemCauses.values[reference] = seenThrough;
          seen.add(reference);
        }
      }
    }
    return causes;
  }

  function causesOfItem(item: Item): Causes {
    itemRow(item);
    if ((itemCauses.values[item] as number) >= unknown) itemCauses.values[item] = lookAtItem(item);
    return itemCauses.values[item] as number;
  }

  function lookAtDrv(drv: Drv): Causes {
    if (!queue.isActive(drv) || queue.isWithAgent(drv)) return 0;
    // Who comes when the time has come that it is deferred to, nobody knows.
    let causes = unattended[graph.jobClass(drv).index] && !queue.isDeferred(drv) ? noAgent : 0;
    if (texts.lost(drv) !== undefined) causes |= textLost;
    if (queue.missing(drv) > 0)
      graph.eachNeed(drv, (item) => {
        causes |= causesOfItem(item);
      });
    return causes;
  }

  /** Which classes of builds agents take; where that has changed, all their builds are looked at. */
  function settleClasses(): void {
    if (!agentsDirty && unattended.length === graph.jobClasses.length) return;
    agentsDirty = false;
    const changed = new Set<JobClass>();
    for (const jobClass of graph.jobClasses) {
      const now = !isAttended(jobClass);
      const before = unattended[jobClass.index];
      unattended[jobClass.index] = now;
      if (before !== undefined && before !== now) changed.add(jobClass);
    }
    if (changed.size === 0) return;
    for (let drv = 0; drv < graph.derivationRows; drv++)
      if (queue.isActive(drv) && changed.has(graph.jobClass(drv))) touched(drv);
  }

  function settle(): void {
    producers.refresh();
    settleClasses();
    if (dirtyDrvs.length === 0 && dirtyItems.length === 0) return;
    // By depth, inputs first: then all that a derivation needs has been looked at before it, and it is looked at once. Only a producer that
    // stands in for the shallowest one can be deeper than what needs it; that is then looked at again.
    const byDepth: Drv[][] = [];
    let depth = Number.POSITIVE_INFINITY;
    const items: Item[] = [];

    function add(drv: Drv): void {
      const at = graph.depth(drv);
      byDepth[at] ??= [];
      (byDepth[at] as Drv[]).push(drv);
      depth = Math.min(depth, at);
    }

    function need(drv: Drv): void {
      if (!queue.isActive(drv)) return;
      drvRow(drv);
      if (drvDirty.values[drv] !== 0) return;
      drvDirty.values[drv] = 1;
      add(drv);
    }

    function settleItem(item: Item): void {
      itemDirty.values[item] = 0;
      const causes = lookAtItem(item);
      if (itemCauses.values[item] === causes) return;
      itemCauses.values[item] = causes;
      graph.eachNeeder(item, (needer) => {
        need(needer);
        return undefined;
      });
      // What looks through others to it.
      const above = new Set([item]);
      for (const one of above)
        availability.eachReferrer(one, (referrer) => {
          if (!availability.isObtainable(referrer) || above.has(referrer)) return;
          above.add(referrer);
          if (referrer < itemCauses.length && (itemCauses.values[referrer] as number) < unknown) items.push(referrer);
        });
    }

    function settleDrv(drv: Drv): void {
      drvDirty.values[drv] = 0;
      const before = drvCauses.values[drv] as number;
      const now = lookAtDrv(drv);
      count(before, -(counted.values[drv] as number));
      counted.values[drv] = queue.unfinishedCount(drv);
      count(now, counted.values[drv] as number);
      drvCauses.values[drv] = now;
      if (before !== 0 && now === 0) unblocked++;
      graph.eachOutput(drv, (item) => {
        if (item >= itemCauses.length || itemCauses.values[item] === unknown) return;
        if (before !== now || itemDirty.values[item] !== 0) items.push(item);
      });
    }

    for (let index = 0; index < dirtyDrvs.length; index++) add(dirtyDrvs.values[index] as number);
    dirtyDrvs.length = 0;
    for (let index = 0; index < dirtyItems.length; index++) {
      const item = dirtyItems.values[index] as number;
      const maker = producers.underWay(item);
      // Otherwise it is looked at after what makes it.
      if (maker === undefined || drvDirty.values[maker] === 0) items.push(item);
    }
    dirtyItems.length = 0;
    // Producers do not go round (docs/decisions/0010). Should they, this ends all the same.
    let left = 100 * (graph.derivationRows + graph.itemRows + 1);
    for (; left > 0; left--) {
      const item = items.pop();
      if (item !== undefined) {
        settleItem(item);
        continue;
      }
      while (depth < byDepth.length && (byDepth[depth]?.length ?? 0) === 0) depth++;
      if (depth >= byDepth.length) break;
      settleDrv((byDepth[depth] as Drv[]).pop() as Drv);
    }
  }

  /** What nobody asked for counts as coming while submissions are being queued. */
  const effective = (causes: Causes): Causes => (causes === noBuild && isQueueing() ? 0 : causes);

  return {
    causes(drv) {
      settle();
      return effective(known(drv));
    },
    isBlocked(drv) {
      settle();
      return effective(known(drv)) !== 0;
    },
    causesOfItem(item) {
      settle();
      return effective(causesOfItem(item));
    },
    isUnattended(jobClass) {
      settle();
      return unattended[jobClass.index] === true;
    },
    unblocked() {
      settle();
      // What nobody asked for blocks at one of these times, and not at the other.
      return isQueueing() ? -1 - unblocked : unblocked;
    },
    counts() {
      settle();
      const queueing = isQueueing();
      const causes = Object.fromEntries(blockingCauses.map((cause, bit) => [cause, tally[bit]])) as Record<
        BlockingCause,
        number
      >;
      if (queueing) causes['no-build'] -= unasked;
      return { blocked: all - (queueing ? unasked : 0), causes };
    },
    touched,
    outputsTouched: (drv) => graph.eachOutput(drv, itemTouched),
    itemTouched,
    agentsTouched() {
      agentsDirty = true;
    },
  };
}
