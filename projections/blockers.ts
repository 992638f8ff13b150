import { isEnded, type LastFailure } from '../domain/build/state.ts';
import { type BlockingCause, causeBit, hasCause } from './blocked.ts';
import { type BuildRecord, buildId } from './builds.ts';
import type { Cancellation } from './cancellations.ts';
import type { Farm } from './farm.ts';
import type { Drv, Item, JobClass } from './graph.ts';
import type { Loss } from './losses.ts';
import { type ObstacleCode, obstacleOf } from './obstacles.ts';
import { createPace } from './pace.ts';

/** What blocks builds, at the root: a store item that nothing under way makes, a text that is lost, or agents that there are not. */
export interface Blocker {
  /** Base name of the store item; of an output that nobody can make, where a text or an agent is what lacks. */
  readonly item: string;
  readonly state: BlockingCause;
  /** Derivation that makes it, and the last build of that; for `no-agent`, of one that waits. */
  readonly derivation?: string;
  readonly build?: string;
  /** For `failed`: how. */
  readonly failure?: LastFailure;
  /** For `canceled`: by whom, with the name of the token, when, and what was said. */
  readonly canceled?: Cancellation & { readonly name?: string };
  /** For `failed`: when, milliseconds since the Unix epoch. */
  readonly at?: number;
  /** For `source-lost`: when and why it went. */
  readonly lost?: Loss;
  /** For `no-agent`: what such builds want, and what keeps those agents that there are from taking them, at most {@link mostAgents}. */
  readonly system?: string;
  readonly features?: readonly string[];
  /** Where that is not the first one of the coordinator. */
  readonly storeDir?: string;
  readonly agents?: readonly AgentObstacle[];
  /** How many of the builds in question wait for it. */
  readonly waiting: number;
  /** How many unfinished builds of the whole farm do; absent where that was not asked. */
  readonly blocks?: number;
  /** There are more than that: counting stops at a bound. */
  readonly more?: boolean;
  /** What would set them going: a command where there is one. */
  readonly remedy: string;
}

/** What keeps an agent from such builds: for programs, and in words. */
export interface AgentObstacle {
  readonly name: string;
  readonly code: ObstacleCode;
  readonly obstacle: string;
}

/** How many of some builds have not ended, how many of these are blocked, and by what. */
export interface Blockage {
  readonly unfinished: number;
  readonly blocked: number;
  /** Those of the blocked that nothing but an agent is lacking for. */
  readonly agentless: number;
  /** At most {@link mostBlockers}, those that most wait for first. */
  readonly blockers: readonly Blocker[];
  /** How many there are. */
  readonly total: number;
  /** There may be more than that: the search stops at a bound ({@link mostVisited}). */
  readonly more?: boolean;
}

/** Most blockers that an answer names. */
export const mostBlockers = 20;
/** Most agents that a blocker names. */
const mostAgents = 100;
/**
 * Derivations and items that are looked at for one answer, some tenths of a second at most: what is blocked by one thing can be most of a
 * farm of a million builds.
 */
export const mostVisited = 50_000;
/** Of which how many blockers it is counted what waits for them, to name those that most wait for; and how far for each. */
const mostCounted = 2 * mostBlockers;
const mostVisitedEach = 20_000;
/** Ways from one to another that are followed, for each derivation and item that may be looked at: some farms have far more of them. */
const waysEach = 20;
/** Ways that are followed up from each blocker. */
const mostWaysEach = 50_000;

/** Derivations, items and classes of builds have numbers of their own: which of them it is, is in the rest of the division by three. */
type Node = number;
const ofDrv = (drv: Drv): Node => drv * 3;
const ofItem = (item: Item): Node => item * 3 + 1;
const ofClass = ({ index }: JobClass): Node => index * 3 + 2;

/**
 * Which of the builds are blocked, and by what at the root. Only what is blocked is walked, inputs down, each derivation and item once however
 * many ways lead there, and without recursion.
 *
 * @param most derivations and items that are looked at, and {@link waysEach} times as many ways between them. What is found is all there is
 *   unless it says `more`; one blocker is found in any case.
 * @yields now and then, so that whoever asks can let others have their turn; what blocks no more when it is named is left out.
 */
export function* findBlockers(
  farm: Farm,
  builds: Iterable<BuildRecord>,
  most = mostVisited,
  pace = createPace(),
): Generator<undefined, Blockage> {
  const { graph, availability, producers, queue, blocked } = farm;
  /** From what is waited for to what waits for it. */
  const waiters = new Map<Node, Node[]>();
  const roots: Node[] = [];
  const pending: Node[] = [];
  let bound = most;
  let ways = most * waysEach;

  /** Notes that one waits for the other, which is looked at where it is new. */
  function waits(waiter: Node, node: Node): void {
    pace.followed();
    if (ways-- <= 0) return;
    const known = waiters.get(node);
    if (known) known.push(waiter);
    else if (waiters.size < bound) {
      waiters.set(node, [waiter]);
      pending.push(node);
    }
  }

  function lookAtItem(item: Item, node: Node): void {
    if (availability.isObtainable(item)) {
      for (const reference of availability.references(item))
        if (reference !== item && !availability.isAvailable(reference) && blocked.causesOfItem(reference) !== 0)
          waits(node, ofItem(reference));
      return;
    }
    const maker = producers.underWay(item);
    if (maker !== undefined) waits(node, ofDrv(maker));
    else roots.push(node);
  }

  function lookAtDrv(drv: Drv, node: Node): void {
    const causes = blocked.causes(drv);
    if (hasCause(causes, 'text-lost') && farm.texts.lost(drv) !== undefined) roots.push(node);
    const jobClass = graph.jobClass(drv);
    if (blocked.isUnattended(jobClass) && !queue.isDeferred(drv)) waits(node, ofClass(jobClass));
    if (queue.missing(drv) > 0)
      graph.eachNeed(drv, (item) => {
        if (blocked.causesOfItem(item) !== 0) waits(node, ofItem(item));
      });
  }

  const wanted = new Map<Node, number>();
  let unfinished = 0;
  let all = 0;
  let agentless = 0;
  let cut = false;
  for (const build of builds) {
    pace.followed();
    if (pace.isOver()) yield;
    if (isEnded(build.state.status)) continue;
    unfinished++;
    const causes = blocked.causes(build.drv);
    if (causes === 0) continue;
    all++;
    if (causes === causeBit('no-agent')) agentless++;
    const node = ofDrv(build.drv);
    if (!waiters.has(node)) {
      // Most of the room is for what these wait for.
      if (waiters.size >= most / 5) {
        cut = true;
        continue;
      }
      waiters.set(node, []);
      pending.push(node);
    }
    wanted.set(node, (wanted.get(node) ?? 0) + 1);
  }
  function look(node: Node): void {
    const row = Math.floor(node / 3);
    if (node % 3 === 0) lookAtDrv(row, node);
    else if (node % 3 === 1) lookAtItem(row, node);
    else roots.push(node);
  }
  const [start] = wanted.keys();
  for (let node = pending.pop(); node !== undefined && ways > 0; node = pending.pop()) {
    look(node);
    if (pace.isOver()) yield;
  }
  cut ||= waiters.size >= most || ways <= 0;
  if (roots.length === 0 && start !== undefined) yield* followOne(start);

  /** One way down from a build to what blocks it, where the bound was reached before any: chains can be as long as the graph. */
  function* followOne(from: Node): Generator<undefined, void> {
    bound = Number.POSITIVE_INFINITY;
    ways = Number.POSITIVE_INFINITY;
    pending.length = 0;
    waiters.clear();
    waiters.set(from, []);
    for (let node: Node | undefined = from; node !== undefined && roots.length === 0; node = pending[0]) {
      // Its siblings are as if they had not been seen: the way may lead to them.
      for (const other of pending) if (other !== node) waiters.delete(other);
      pending.length = 0;
      look(node);
      if (pace.isOver()) yield;
    }
  }

  /** How many of the builds in question wait for one. */
  function* countAbove(start: Node): Generator<undefined, { waiting: number; more?: boolean }> {
    const seen = new Set<Node>([start]);
    let waiting = 0;
    let left = mostWaysEach;
    for (const node of seen) {
      waiting += wanted.get(node) ?? 0;
      for (const waiter of waiters.get(node) ?? []) {
        if (seen.size >= mostVisitedEach || left-- <= 0) break;
        pace.followed();
        seen.add(waiter);
      }
      if (pace.isOver()) yield;
    }
    return { waiting, ...((cut || seen.size >= mostVisitedEach || left <= 0) && { more: true }) };
  }

  function describe(node: Node, row: number): Described {
    if (node % 3 === 0) return describeTextless(farm, row);
    if (node % 3 === 1) return describeItem(farm, row, neederOf(node));
    return describeAgentless(farm, graph.jobClasses[row] as JobClass, neederOf(node) as Drv);
  }

  /** A derivation that waits for it without another between them. */
  function neederOf(start: Node): Drv | undefined {
    const seen = new Set([start]);
    for (const node of seen) {
      if (node % 3 === 0) return Math.floor(node / 3);
      for (const waiter of waiters.get(node) ?? []) seen.add(waiter);
    }
    return undefined;
  }

  /** Whether it blocks something still. */
  function isRoot(node: Node): boolean {
    const row = Math.floor(node / 3);
    if (node % 3 === 0) return hasCause(blocked.causes(row), 'text-lost') && farm.texts.lost(row) !== undefined;
    if (node % 3 === 1) return blocked.causesOfItem(row) !== 0 && producers.underWay(row) === undefined;
    return blocked.isUnattended(graph.jobClasses[row] as JobClass);
  }

  const named: Blocker[] = [];
  let gone = 0;
  for (const node of roots.slice(0, mostCounted)) {
    if (isRoot(node)) named.push({ ...describe(node, Math.floor(node / 3)), ...(yield* countAbove(node)) });
    else gone++;
  }
  named.sort((a, b) => b.waiting - a.waiting);
  return {
    unfinished,
    blocked: all,
    agentless,
    blockers: named.slice(0, mostBlockers),
    total: roots.length - gone,
    ...(cut && { more: true }),
  };
}

type Described = Omit<Blocker, 'waiting' | 'blocks' | 'more'>;

/** @param needer a derivation that needs it. */
function describeItem(farm: Farm, item: Item, needer: Drv | undefined): Described {
  const { graph, producers, queue, timeline } = farm;
  const path = graph.itemPath(item);
  const producer = producers.of(item);
  if (producer === undefined) {
    const remedy = needer === undefined ? 'drover submit, from where it is' : submitAgain(graph.drvPath(needer));
    return { item: path, ...absentSource(farm, item), remedy };
  }
  const derivation = graph.drvPath(producer);
  const last = queue.latest(producer);
  if (last === undefined) return { item: path, state: 'no-build', derivation, remedy: submitAgain(derivation) };
  const build = buildId(last);
  const made = { item: path, derivation, build, remedy: retry(build) };
  const { status, lastFailure } = last.state;
  if (status === 'failed') {
    const at = timeline.endedAt(last);
    return { ...made, state: 'failed', ...(lastFailure && { failure: lastFailure }), ...(at !== undefined && { at }) };
  }
  if (status !== 'canceled') return { ...made, state: 'no-build' };
  const canceled = cancellationOf(farm, last);
  return { ...made, state: 'canceled', ...(canceled && { canceled }) };
}

/** How a build was cancelled, with the name of the token. */
export function cancellationOf({ cancellations, tokens }: Farm, build: BuildRecord): Blocker['canceled'] {
  const known = cancellations.get(build);
  if (known === undefined) return undefined;
  const name = tokens.get(known.by)?.name;
  return { ...known, ...(name !== undefined && { name }) };
}

/** How it stands with a source that is not there. */
export function absentSource(
  { losses, tokens }: Pick<Farm, 'losses' | 'tokens'>,
  item: Item,
): Pick<Blocker, 'lost'> & { state: 'source-missing' | 'source-lost' } {
  const lost = losses.get(item);
  if (lost === undefined) return { state: 'source-missing' };
  const name = tokens.get(lost.by ?? '')?.name;
  return { state: 'source-lost', lost: { ...lost, ...(name !== undefined && { name }) } };
}

export function describeTextless({ graph, queue }: Farm, drv: Drv): Described {
  const [output] = graph.outputs(drv);
  const item = graph.itemPath(output?.item as Item);
  const build = buildId(queue.unfinished(drv) as BuildRecord);
  const derivation = graph.drvPath(drv);
  return { item, state: 'text-lost', derivation, build, remedy: submitAgain(derivation) };
}

/** @param drv one of the class that waits. */
function describeAgentless(farm: Farm, jobClass: JobClass, drv: Drv): Described {
  const { graph, queue } = farm;
  const build = queue.unfinished(drv);
  const [output] = graph.outputs(drv);
  const item = graph.itemPath(output?.item as Item);
  const { agents, remedy } = agentsFor(farm, jobClass);
  const { storeDir, system, features } = jobClass;
  return {
    item,
    state: 'no-agent',
    derivation: graph.drvPath(drv),
    ...(build !== undefined && { build: buildId(build) }),
    ...(storeDir !== undefined && { storeDir }),
    system,
    features,
    agents: agents.slice(0, mostAgents),
    remedy,
  };
}

/** What keeps agents from a class of builds, and what a person does about it: about one that fits, else another is added. */
export function agentsFor(farm: Farm, jobClass: JobClass) {
  const able: string[] = [];
  const agents: AgentObstacle[] = [];
  const remedies: string[] = [];
  for (const agent of farm.agents.all()) {
    if (agent.state.connection === 'retired') continue;
    const obstacle = obstacleOf(farm, agent, jobClass);
    if (obstacle === undefined) {
      able.push(agent.name);
      continue;
    }
    agents.push({ name: agent.name, code: obstacle.code, obstacle: obstacle.words });
    if (obstacle.remedy !== undefined) remedies.push(obstacle.remedy);
  }
  const remedy = remedies.find((one) => one.startsWith('drover ')) ?? remedies[0] ?? 'drover agents add NAME';
  return { able, agents, remedy };
}

/** Has the derivation queued, with what it lacks; the coordinator knows it, but what is lost or was never sent is sent from where it is. */
export const submitAgain = (derivation: string): string => `drover submit ${derivation}`;
export const retry = (build: string): string => `drover builds retry ${build}`;

/**
 * How many unfinished builds of the whole farm wait for what a blocker names, however many steps away.
 *
 * @param budget how many derivations may be looked at, and ways from one to another be followed; lowered by those that were.
 * @yields now and then, so that whoever asks can let others have their turn.
 */
export function* countWaiting(
  farm: Farm,
  blocker: Blocker,
  budget: { left: number; ways: number },
): Generator<undefined, { blocks: number; more?: boolean }> {
  const { graph, availability, queue } = farm;
  const pace = createPace();
  const seen = new Set<Node>();
  let blocks = 0;

  function addDrv(drv: Drv): void {
    if (seen.has(ofDrv(drv)) || !queue.isActive(drv) || queue.isWithAgent(drv) || budget.left === 0) return;
    budget.left--;
    seen.add(ofDrv(drv));
    blocks += queue.unfinishedCount(drv);
  }
  const addItem = (item: Item): void => void seen.add(ofItem(item));

  if (blocker.state === 'no-agent') {
    const { storeDir, system, features = [] } = blocker;
    const wanted = graph.jobClasses.find(
      (one) => one.storeDir === storeDir && one.system === system && one.features.join(' ') === features.join(' '),
    );
    for (let drv = 0; drv < graph.derivationRows && budget.left > 0; drv++) {
      if (graph.isDerivation(drv) && graph.jobClass(drv) === wanted) addDrv(drv);
      pace.followed();
      if (pace.isOver()) yield;
    }
  } else if (blocker.state === 'text-lost') addDrv(graph.drvOf(blocker.derivation as string) as Drv);
  else addItem(graph.itemOf(blocker.item) as Item);
  for (const node of seen) {
    pace.followed();
    if (pace.isOver()) yield;
    const row = Math.floor(node / 3);
    if (node % 3 === 0) {
      graph.eachOutput(row, (item) => {
        if (!availability.isAvailable(item)) addItem(item);
      });
      continue;
    }
    graph.eachNeeder(row, (needer) => {
      if (budget.ways === 0) return true;
      budget.ways--;
      pace.followed();
      addDrv(needer);
      return budget.left === 0;
    });
    availability.eachReferrer(row, addItem);
  }
  return { blocks, ...((budget.left === 0 || budget.ways === 0) && { more: true }) };
}
