import { isEnded, liveAgent } from '../domain/build/state.ts';
import type { Farm } from './farm.ts';
import type { Drv, Item } from './graph.ts';
import type { Loss } from './losses.ts';
import { type BuildRecord, buildId } from './queue.ts';

/** What keeps builds from ever running: a store item that is not there and that nothing under way makes, or can make. */
export interface Blocker {
  /** Base name of the store item. */
  readonly item: string;
  /**
   * `source-missing`: nobody sent it; `source-lost`: it was there, but was deleted or lost since; `failed`, `canceled`: the end of its last build; `no-build`: nobody asked for one; `text-lost`: the
   * text of the derivation that makes it is lost.
   */
  readonly state: 'source-missing' | 'source-lost' | 'failed' | 'canceled' | 'no-build' | 'text-lost';
  /** Derivation that makes it, and the last build of that. */
  readonly derivation?: string;
  readonly build?: string;
  /** For `source-lost`: when and why it went. */
  readonly lost?: Loss;
  /** How many of the builds in question wait for it. */
  readonly waiting: number;
}

/** How many of some builds have not ended, how many of these are blocked, and by what. */
export interface Blockage {
  readonly unfinished: number;
  readonly blocked: number;
  /** At most {@link mostBlockers}, those that most wait for first. */
  readonly blockers: readonly Blocker[];
}

/** Most blockers that an answer names. */
export const mostBlockers = 20;

/** Derivations and items have numbers of their own: one is even here, the other odd. */
type Node = number;
const ofDrv = (drv: Drv): Node => drv * 2;
const ofItem = (item: Item): Node => item * 2 + 1;

/**
 * Which of the builds are blocked: nothing under way can set them going, a person has to act (design, section 2). What is between them and
 * their blockers is walked once, however many ways lead there, so it costs no more than the unfinished part of their closure.
 */
export function findBlocked(farm: Farm, builds: Iterable<BuildRecord>): Blockage {
  const { graph, availability, producers, queue } = farm;
  /** From what is waited for to what waits for it. */
  const waiters = new Map<Node, Node[]>();
  const blockers: Item[] = [];
  /** Derivations that could be built now, had their texts not been lost. */
  const textless: Drv[] = [];
  const pending: Node[] = [];

  /** Notes that one waits for the other, which is looked at where it is new. */
  function waits(waiter: Node, node: Node): void {
    const known = waiters.get(node);
    if (known) known.push(waiter);
    else {
      waiters.set(node, [waiter]);
      pending.push(node);
    }
  }

  function lookAtItem(item: Item, node: Node): void {
    if (availability.isPresent(item)) {
      for (const reference of availability.references(item))
        if (reference !== item && !availability.isAvailable(reference)) waits(node, ofItem(reference));
      return;
    }
    const producer = producers.of(item);
    if (producer !== undefined && queue.unfinished(producer)) waits(node, ofDrv(producer));
    else blockers.push(item);
  }

  function lookAtDrv(drv: Drv, node: Node): void {
    if (isUnderWay(queue.unfinished(drv))) return;
    if (queue.missing(drv) === 0) {
      if (farm.texts.lost(drv) !== undefined) textless.push(drv);
      return;
    }
    graph.eachNeed(drv, (item) => {
      if (!availability.isAvailable(item)) waits(node, ofItem(item));
    });
  }

  const wanted = new Map<Node, number>();
  let unfinished = 0;
  for (const build of builds) {
    if (queue.unfinished(build.drv) === undefined || isEnded(build.state.status)) continue;
    unfinished++;
    const node = ofDrv(build.drv);
    wanted.set(node, (wanted.get(node) ?? 0) + 1);
    if (waiters.has(node)) continue;
    waiters.set(node, []);
    pending.push(node);
  }
  for (let node = pending.pop(); node !== undefined; node = pending.pop())
    if (node % 2 === 0) lookAtDrv(node / 2, node);
    else lookAtItem((node - 1) / 2, node);

  /** Everything that waits for one of `starts`, and how many of the builds in question are among it. */
  function countAbove(starts: readonly Node[]): number {
    const seen = new Set<Node>(starts);
    let count = 0;
    for (const node of seen) {
      count += wanted.get(node) ?? 0;
      for (const waiter of waiters.get(node) ?? []) seen.add(waiter);
    }
    return count;
  }

  const blocked = countAbove([...blockers.map(ofItem), ...textless.map(ofDrv)]);
  const most = 4 * mostBlockers;
  const named = [
    ...blockers.slice(0, most).map((item) => describe(farm, item, countAbove([ofItem(item)]))),
    ...textless.slice(0, most).map((drv) => describeTextless(farm, drv, countAbove([ofDrv(drv)]))),
  ].sort((a, b) => b.waiting - a.waiting);
  return { unfinished, blocked, blockers: named.slice(0, mostBlockers) };
}

/** Whether a build of the same derivation, this one or an earlier one, is with an agent. */
function isUnderWay(latest: BuildRecord | undefined): boolean {
  for (let build = latest; build; build = build.previous) if (liveAgent(build.state) !== undefined) return true;
  return false;
}

function describe(farm: Farm, item: Item, waiting: number): Blocker {
  const { graph, producers, queue, losses } = farm;
  const path = graph.itemPath(item);
  const producer = producers.of(item);
  if (producer === undefined) return { item: path, ...absentSource(losses, item), waiting };
  const derivation = graph.drvPath(producer);
  const last = queue.latest(producer);
  const status = last?.state.status;
  const state = status === 'failed' || status === 'canceled' ? status : 'no-build';
  return { item: path, state, derivation, ...(last && { build: buildId(last) }), waiting };
}

/** How it stands with a source that is not there. */
export function absentSource(
  losses: Farm['losses'],
  item: Item,
): Pick<Blocker, 'lost'> & { state: 'source-missing' | 'source-lost' } {
  const lost = losses.get(item);
  return lost === undefined ? { state: 'source-missing' } : { state: 'source-lost', lost };
}

function describeTextless({ graph, queue }: Farm, drv: Drv, waiting: number): Blocker {
  const [output] = graph.outputs(drv);
  const item = graph.itemPath(output?.item as Item);
  const build = buildId(queue.unfinished(drv) as BuildRecord);
  return { item, state: 'text-lost', derivation: graph.drvPath(drv), build, waiting };
}
