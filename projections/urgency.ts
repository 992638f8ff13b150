import { createReadyHeap, type HeapEntry } from '../domain/scheduling/ready-heap.ts';
import { floats, ints } from './column.ts';
import type { Drv, Graph } from './graph.ts';

/**
 * How urgent each derivation with an unfinished build is: its derived priority, the highest of its own builds' and of all that waits
 * for it; and its critical path, the seconds of the longest chain of unfinished builds from it up. Both flow from what needs a
 * derivation to its inputs. Rises are pushed at once; falls are collected and settled together, each derivation once, because a
 * submission of fifty thousand builds may be cancelled build by build.
 */
export interface Urgency {
  priority(drv: Drv): number;
  /** Seconds. */
  criticalPath(drv: Drv): number;
  /** A build of it was added, or the priority of one rose. */
  rose(drv: Drv): void;
  /** A build of it ended, or the priority of one fell. */
  fell(drv: Drv): void;
  /** Makes good all falls; call before comparing. */
  settle(): void;
}

export interface UrgencySources {
  readonly graph: Graph;
  /** Whether it has an unfinished build. */
  isActive(drv: Drv): boolean;
  /** Highest priority of its unfinished builds. */
  ownPriority(drv: Drv): number;
  /** How long a build of it is expected to take. */
  expectedSeconds(drv: Drv): number;
  /** The urgency of the derivation has changed. */
  changed(drv: Drv): void;
}

interface Pending extends HeapEntry {
  readonly drv: Drv;
  readonly depth: number;
}

const idle = -1_000_000;

export function createUrgency({ graph, isActive, ownPriority, expectedSeconds, changed }: UrgencySources): Urgency {
  const priorities = ints();
  const paths = floats();
  const fallen = new Set<Drv>();

  function row(drv: Drv): void {
    while (priorities.length <= drv) {
      priorities.push(idle);
      paths.push(0);
    }
  }

  function pull(drv: Drv): { priority: number; path: number } {
    let priority = ownPriority(drv);
    let above = 0;
    for (const { item } of graph.outputs(drv)) {
      graph.eachNeeder(item, (needer) => {
        if (!isActive(needer)) return undefined;
        const theirs = priorities.values[needer] as number;
        if (theirs > priority) priority = theirs;
        const path = paths.values[needer] as number;
        if (path > above) above = path;
        return undefined;
      });
    }
    return { priority, path: above + expectedSeconds(drv) };
  }

  /** Deepest first: then whatever flows into a derivation has arrived before it is looked at, and it is looked at once. */
  function worklist(): { add(drv: Drv): void; next(): Drv | undefined } {
    const heap = createReadyHeap<Pending>((a, b) => a.depth > b.depth || (a.depth === b.depth && a.drv < b.drv));
    const known = new Set<Drv>();
    return {
      add(drv) {
        if (known.has(drv)) return;
        known.add(drv);
        heap.add({ heapIndex: -1, drv, depth: graph.depth(drv) });
      },
      next() {
        const first = heap.first();
        if (!first) return undefined;
        heap.remove(first);
        known.delete(first.drv);
        return first.drv;
      },
    };
  }

  function eachActiveInput(drv: Drv, visit: (input: Drv) => void): void {
    graph.eachNeed(drv, (item) => {
      graph.eachProducer(item, (producer) => {
        if (producer !== drv && isActive(producer)) visit(producer);
        return undefined;
      });
    });
  }

  function pushUp(start: Drv): void {
    let queue: ReturnType<typeof worklist> | undefined;
    for (let drv: Drv | undefined = start; drv !== undefined; drv = queue?.next()) {
      const priority = priorities.values[drv] as number;
      const path = paths.values[drv] as number;
      eachActiveInput(drv, (input) => {
        row(input);
        const longer = path + expectedSeconds(input);
        if ((priorities.values[input] as number) >= priority && (paths.values[input] as number) >= longer) return;
        if ((priorities.values[input] as number) < priority) priorities.values[input] = priority;
        if ((paths.values[input] as number) < longer) paths.values[input] = longer;
        changed(input);
        queue ??= worklist();
        queue.add(input);
      });
    }
  }

  function settle(): void {
    if (fallen.size === 0) return;
    const queue = worklist();
    for (const drv of fallen) queue.add(drv);
    fallen.clear();
    for (let drv = queue.next(); drv !== undefined; drv = queue.next()) {
      row(drv);
      const before = priorities.values[drv] as number;
      const beforePath = paths.values[drv] as number;
      const now = isActive(drv) ? pull(drv) : { priority: idle, path: 0 };
      if (now.priority === before && now.path === beforePath) continue;
      priorities.values[drv] = now.priority;
      paths.values[drv] = now.path;
      changed(drv);
      eachActiveInput(drv, (input) => {
        const heldByThis =
          (priorities.values[input] as number) === before ||
          (paths.values[input] as number) === beforePath + expectedSeconds(input);
        if (heldByThis) queue.add(input);
      });
    }
  }

  return {
    priority: (drv) => (drv < priorities.length ? (priorities.values[drv] as number) : idle),
    criticalPath: (drv) => (drv < paths.length ? (paths.values[drv] as number) : 0),
    rose(drv) {
      row(drv);
      const { priority, path } = pull(drv);
      if (priority === priorities.values[drv] && path === paths.values[drv]) return;
      priorities.values[drv] = priority;
      paths.values[drv] = path;
      changed(drv);
      pushUp(drv);
    },
    fell(drv) {
      fallen.add(drv);
    },
    settle,
  };
}
