import { createReadyHeap, type HeapEntry } from '../domain/scheduling/ready-heap.ts';
import type { Drv, Graph } from './graph.ts';
import { createMemory, type Memory } from './memory.ts';
import type { Producers } from './producers.ts';

/**
 * How urgent each derivation with an unfinished build is: its derived priority, the highest of its own builds' and of all that waits
 * for it; and its critical path, the seconds of the longest chain of unfinished builds from it up. Both flow from what needs a
 * derivation to the producers of its inputs. Changes are collected and settled together, before anything is compared: a submission of
 * fifty thousand builds may come, or be cancelled, build by build.
 */
export interface Urgency {
  priority(drv: Drv): number;
  /** Seconds. */
  criticalPath(drv: Drv): number;
  /** A build of it was added or has ended, the priority of one has changed, or others wait for it than before. */
  touched(drv: Drv): void;
  /** Makes good all changes; call before comparing. */
  settle(): void;
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
  /** The urgency of the derivation has changed. */
  changed(drv: Drv): void;
}

interface Pending extends HeapEntry {
  readonly drv: Drv;
  readonly depth: number;
}

const idle = -1_000_000;

/** What is to be done with a derivation: hand on what it was raised to, or work it out from all that needs it. */
const handOn = 1;
const workOut = 2;

export function createUrgency(sources: UrgencySources, memory: Memory = createMemory()): Urgency {
  const { graph, producers, isActive, ownPriority, expectedSeconds, changed } = sources;
  const priorities = memory.ints('priorities');
  const paths = memory.floats('paths');
  const waiting = memory.bytes('waiting');
  const touched = memory.ints('touched');

  function row(drv: Drv): void {
    while (priorities.length <= drv) {
      priorities.push(idle);
      paths.push(0);
      waiting.push(0);
    }
  }

  /** Sets both figures from what needs the derivation. */
  function pull(drv: Drv): void {
    let priority = idle;
    let path = 0;
    if (isActive(drv)) {
      priority = ownPriority(drv);
      graph.eachOutput(drv, (item) => {
        if (producers.underWay(item) !== drv) return;
        graph.eachNeeder(item, (needer) => {
          if (!isActive(needer)) return undefined;
          row(needer);
          priority = Math.max(priority, priorities.values[needer] as number);
          path = Math.max(path, paths.values[needer] as number);
          return undefined;
        });
      });
      path += expectedSeconds(drv);
    }
    priorities.values[drv] = priority;
    paths.values[drv] = path;
  }

  function settle(): void {
    producers.refresh();
    if (touched.length === 0) return;
    // Deepest first: then whatever flows into a derivation has arrived before it is looked at, and it is looked at once. Only a
    // producer that stands in for the shallowest one can be deeper than what needs it: it has to wait for the next round. As chains
    // of producers do not go round, there are at most as many rounds as such producers.
    const round = createReadyHeap<Pending>((a, b) => a.depth > b.depth || (a.depth === b.depth && a.drv < b.drv));
    let next: Pending[] = [];
    let reached = Number.POSITIVE_INFINITY;

    function add(drv: Drv, what: number): void {
      const before = waiting.values[drv] as number;
      waiting.values[drv] = before | what;
      if (before !== 0) return;
      const entry = { heapIndex: -1, drv, depth: graph.depth(drv) };
      if (entry.depth < reached) round.add(entry);
      else next.push(entry);
    }

    function look(drv: Drv): void {
      const before = priorities.values[drv] as number;
      const beforePath = paths.values[drv] as number;
      const what = waiting.values[drv] as number;
      waiting.values[drv] = 0;
      if (what & workOut) {
        pull(drv);
        if (priorities.values[drv] !== before || paths.values[drv] !== beforePath) changed(drv);
        else if (what === workOut) return;
      }
      const priority = priorities.values[drv] as number;
      const path = paths.values[drv] as number;
      graph.eachNeed(drv, (item) => {
        const input = producers.underWay(item);
        if (input === undefined || input === drv) return;
        row(input);
        if ((waiting.values[input] as number) & workOut) return;
        const theirs = priorities.values[input] as number;
        const theirPath = paths.values[input] as number;
        const own = expectedSeconds(input);
        if ((priority < before && theirs === before) || (path < beforePath && theirPath === beforePath + own))
          return add(input, workOut);
        if (priority <= theirs && path + own <= theirPath) return;
        if (priority > theirs) priorities.values[input] = priority;
        if (path + own > theirPath) paths.values[input] = path + own;
        changed(input);
        add(input, handOn);
      });
    }

    for (let index = 0; index < touched.length; index++) {
      const drv = touched.values[index] as number;
      waiting.values[drv] = 0;
      add(drv, workOut);
    }
    touched.length = 0;
    while (round.size > 0 || next.length > 0) {
      if (round.size === 0) {
        for (const entry of next) round.add(entry);
        next = [];
      }
      const entry = round.first() as Pending;
      round.remove(entry);
      reached = entry.depth;
      look(entry.drv);
    }
  }

  return {
    priority: (drv) => (drv < priorities.length ? (priorities.values[drv] as number) : idle),
    criticalPath: (drv) => (drv < paths.length ? (paths.values[drv] as number) : 0),
    touched(drv) {
      row(drv);
      // The first figure it is asked for stays: it must not depend on when changes are settled.
      if (isActive(drv)) expectedSeconds(drv);
      if (waiting.values[drv] !== 0) return;
      waiting.values[drv] = workOut;
      touched.push(drv);
    },
    settle,
  };
}
