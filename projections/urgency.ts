import { createDeepestFirst } from './deepest-first.ts';
import type { Drv, Graph, Item } from './graph.ts';
import { createMemory, type Memory } from './memory.ts';
import type { Producers } from './producers.ts';

/**
 * How urgent each derivation with an unfinished build is: its derived priority, the highest of its own builds' and of all that waits
 * for it; and its critical path, the seconds of the longest chain of unfinished builds from it up. Both flow from what needs a
 * derivation to the producers of its inputs. Changes are collected and settled together, before anything is compared: a submission of
 * fifty thousand builds may come, or be cancelled, build by build.
 *
 * Priorities are exact once that is done. Critical paths follow (docs/decisions/0065): where a chain gets longer at its end, all that is below
 * changes, and that would be paid for by everything that is added to a long queue. So each time some of it is settled, and the rest later.
 * What comes out of it in the end is the same, whenever that is done.
 */
export interface Urgency {
  priority(drv: Drv): number;
  /** Seconds. */
  criticalPath(drv: Drv): number;
  /** A build of it was added or has ended, the priority of one has changed, or others wait for it than before. */
  touched(drv: Drv): void;
  /** The derivation goes. */
  forget(drv: Drv): void;
  /** It needs something that it did not need before. */
  needAdded(drv: Drv): void;
  /** Makes good all changes of priorities, and some of critical paths, following so many edges; call before comparing. */
  settle(edges?: number): void;
  /** Makes good all changes: where the figures themselves are asked for. */
  settleAll(): void;
}

export interface UrgencySources {
  readonly graph: Graph;
  readonly producers: Pick<Producers, 'underWay' | 'refresh'>;
  /** Whether it has an unfinished build. */
  isActive(drv: Drv): boolean;
  /** Highest priority of its unfinished builds. */
  ownPriority(drv: Drv): number;
  /** How long a build of it is expected to take. */
  expectedSeconds(drv: Drv): number;
  /** Whether any item that it needs is not available. */
  lacksInputs(drv: Drv): boolean;
  /** The urgency of the derivation has changed. */
  changed(drv: Drv): void;
}

const idle = -1_000_000;

/** What is to be done with a derivation, together with where it waits for that. Its inputs are to be told of what it was raised to; */
const handOn = 1;
/** its priority, or its critical path, is to be worked out again, as what it rested on is less; */
const lostPriority = 2;
const lostPath = 4;
/** both are, as others may wait for it than before; */
const anew = 8;
/** it waits among those that change priorities, or those that change nothing but critical paths. */
const isUrgent = 16;
const isLater = 32;

/** Of seconds, as they are kept: then a sum that is kept is not less than what it is compared with. */
const sum = (path: number, seconds: number): number => Math.fround(path + seconds);

/** Some tens of microseconds, also where they lie anywhere among a million derivations: about what the rest of a choice takes. */
const edgesPerSettling = 256;

export function createUrgency(sources: UrgencySources, memory: Memory = createMemory()): Urgency {
  const { graph, producers, isActive, ownPriority, expectedSeconds, lacksInputs, changed } = sources;
  const priorities = memory.ints('priorities');
  const paths = memory.singles('paths');
  const waiting = memory.bytes('waiting');
  const urgent = createDeepestFirst(graph.depth);
  const later = createDeepestFirst(graph.depth);
  memory.part('lists', {
    save: () => ({ urgent: Int32Array.from(urgent.all()), later: Int32Array.from(later.all()) }),
    load(saved: { urgent: Int32Array; later: Int32Array }) {
      for (const drv of saved.urgent) urgent.add(drv);
      for (const drv of saved.later) later.add(drv);
    },
  });
  /** The inputs that are being told. */
  const told: Drv[] = [];
  /** Edges that were followed so far. */
  let followed = 0;

  function row(drv: Drv): void {
    while (priorities.length <= drv) {
      priorities.push(idle);
      paths.push(0);
      waiting.push(0);
    }
  }

  const marked = (drv: Drv, marks: number): boolean => ((waiting.values[drv] as number) & marks) !== 0;

  function add(drv: Drv, what: number, list: typeof isUrgent | typeof isLater): void {
    const before = waiting.values[drv] as number;
    waiting.values[drv] = before | what | list;
    if ((before & list) !== 0) return;
    if (list === isUrgent) urgent.add(drv);
    else later.add(drv);
  }

  /** Derivations with unfinished builds that urgency flows from; `visit` returns true to stop. */
  function eachWaiting(drv: Drv, visit: (needer: Drv) => boolean): void {
    let stopped = false;
    graph.eachOutput(drv, (item: Item) => {
      if (stopped || producers.underWay(item) !== drv) return;
      graph.eachNeeder(item, (needer) => {
        followed++;
        if (!isActive(needer)) return false;
        row(needer);
        stopped = visit(needer);
        return stopped;
      });
    });
  }

  /** Sets both figures from what needs the derivation. */
  function workOut(drv: Drv): void {
    let priority = idle;
    let path = 0;
    if (isActive(drv)) {
      priority = ownPriority(drv);
      eachWaiting(drv, (needer) => {
        priority = Math.max(priority, priorities.values[needer] as number);
        path = Math.max(path, paths.values[needer] as number);
        return false;
      });
      path = sum(path, expectedSeconds(drv));
    }
    priorities.values[drv] = priority;
    paths.values[drv] = path;
  }

  /** The same where nothing can have raised it: mostly the first few that need it have the priority that it has. */
  function lowerPriority(drv: Drv): void {
    const most = priorities.values[drv] as number;
    let priority = ownPriority(drv);
    if (priority < most)
      eachWaiting(drv, (needer) => {
        priority = Math.max(priority, priorities.values[needer] as number);
        return priority >= most;
      });
    priorities.values[drv] = priority;
  }

  function lowerPath(drv: Drv): void {
    const own = expectedSeconds(drv);
    const most = paths.values[drv] as number;
    let path = own;
    if (path < most)
      eachWaiting(drv, (needer) => {
        path = Math.max(path, sum(paths.values[needer] as number, own));
        return path >= most;
      });
    paths.values[drv] = path;
  }

  /** Does what is to be done with it; its critical path, unless that is new altogether, only where it was taken from that list. */
  function look(drv: Drv, list: typeof isUrgent | typeof isLater): void {
    const what = waiting.values[drv] as number;
    const isPathDue = list === isLater || (what & anew) !== 0;
    waiting.values[drv] = what & (isUrgent | isLater) & ~list;
    if (!isPathDue && (what & lostPath) !== 0) add(drv, lostPath, isLater);
    const before = priorities.values[drv] as number;
    const beforePath = paths.values[drv] as number;
    if ((what & anew) !== 0 || !isActive(drv)) workOut(drv);
    else {
      if ((what & lostPriority) !== 0) lowerPriority(drv);
      if ((what & lostPath) !== 0 && isPathDue) lowerPath(drv);
    }
    const priority = priorities.values[drv] as number;
    const path = paths.values[drv] as number;
    const isChanged = priority !== before || path !== beforePath;
    if (isChanged) changed(drv);
    if (!isChanged && (what & handOn) === 0) return;
    if (lacksInputs(drv)) tell(drv, before, beforePath);
  }

  /** Tells the inputs of what has become of figures that were, at most, so much. */
  function tell(drv: Drv, before: number, beforePath: number): void {
    const priority = priorities.values[drv] as number;
    const path = paths.values[drv] as number;
    // First which they are, then what each has: rows lie anywhere in memory, and in short loops the processor waits for many at once.
    told.length = 0;
    graph.eachNeed(drv, (item) => {
      followed++;
      const input = producers.underWay(item);
      if (input !== undefined && input !== drv) told.push(input);
    });
    for (const input of told) {
      row(input);
      if (marked(input, anew)) continue;
      const theirs = priorities.values[input] as number;
      const theirPath = paths.values[input] as number;
      const longest = sum(path, expectedSeconds(input));
      const isRaised = priority > theirs;
      const isLonger = longest > theirPath;
      if (isRaised) priorities.values[input] = priority;
      if (isLonger) paths.values[input] = longest;
      if (isRaised || isLonger) changed(input);
      if (isRaised) add(input, handOn, isUrgent);
      else if (priority < theirs && theirs <= before) add(input, lostPriority, isUrgent);
      if (isLonger) {
        if (!isRaised) add(input, handOn, isLater);
      } else if (longest < theirPath && theirPath <= sum(beforePath, expectedSeconds(input)))
        add(input, lostPath, isLater);
    }
  }

  function settle(edges = edgesPerSettling): void {
    producers.refresh();
    for (let drv = urgent.take(); drv !== undefined; drv = urgent.take()) look(drv, isUrgent);
    const end = followed + edges;
    while (followed < end) {
      const drv = later.take();
      if (drv === undefined) break;
      look(drv, isLater);
    }
    followed = 0;
  }

  return {
    priority: (drv) => (drv < priorities.length ? (priorities.values[drv] as number) : idle),
    criticalPath: (drv) => (drv < paths.length ? (paths.values[drv] as number) : 0),
    touched(drv) {
      row(drv);
      // The first figure it is asked for stays: it must not depend on when changes are settled.
      if (isActive(drv)) expectedSeconds(drv);
      add(drv, anew, isUrgent);
    },
    needAdded(drv) {
      row(drv);
      add(drv, handOn, isUrgent);
    },
    forget(drv) {
      if (drv >= priorities.length) return;
      priorities.values[drv] = idle;
      paths.values[drv] = 0;
      // It is still in the list that it was in, or whatever has its row next.
      waiting.values[drv] = (waiting.values[drv] as number) & (isUrgent | isLater);
    },
    settle,
    settleAll: () => settle(Number.POSITIVE_INFINITY),
  };
}
