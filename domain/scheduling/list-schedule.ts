import { createReadyHeap, type HeapEntry } from './ready-heap.ts';

/** Something to do, for which others may have to be done first. */
export interface Job {
  /** How long it takes from now or from its start, in milliseconds. */
  readonly ms: number;
  /** What it needs of a slot; one that no pool takes is never done. */
  readonly kind: number;
  /** Places of the jobs that have to be done before. */
  readonly after: readonly number[];
  /** It does not start before, in milliseconds from now. */
  readonly notBefore?: number;
  /** Pool in which it runs already; -1 for one that runs and takes no slot from anything else. */
  readonly runsIn?: number;
}

/** Slots that are alike. */
export interface SlotPool {
  readonly slots: number;
  takes(kind: number): boolean;
}

interface Entry extends HeapEntry {
  readonly job: number;
  /** When it ends, once it runs. */
  end: number;
  pool: number;
}

/** Stands for the pool of one that waits for its time. */
const notStarted = -2;
/** Starts and ends in one step: about a millisecond. */
const perStep = 250;

/**
 * When each job would end, in milliseconds from now, `Infinity` for one that never would: whenever a slot is free, the first job by `before` that
 * fits goes into it (list scheduling; Graham, 1966).
 *
 * @yields now and then, so that whoever asks can let others have their turn.
 */
export function* listSchedule(
  jobs: readonly Job[],
  pools: readonly SlotPool[],
  before: (a: number, b: number) => boolean,
): Generator<undefined, Float64Array> {
  const ends = new Float64Array(jobs.length).fill(Number.POSITIVE_INFINITY);
  const left = new Int32Array(jobs.length);
  const waiters: number[][] = jobs.map(() => []);
  const free = pools.map(({ slots }) => slots);
  const running = createReadyHeap<Entry>((a, b) => a.end < b.end || (a.end === b.end && a.job < b.job));
  const ready = new Map<number, ReturnType<typeof createReadyHeap<Entry>>>();
  const takers = new Map<number, readonly number[]>();

  function makeReady(job: number, now: number): void {
    const { kind, notBefore = 0 } = jobs[job] as Job;
    if (notBefore > now) {
      running.add({ heapIndex: -1, job, end: notBefore, pool: notStarted });
      return;
    }
    let heap = ready.get(kind);
    if (heap === undefined) {
      heap = createReadyHeap<Entry>((a, b) => before(a.job, b.job));
      ready.set(kind, heap);
      takers.set(
        kind,
        [...pools.keys()].filter((pool) => pools[pool]?.takes(kind)),
      );
    }
    heap.add({ heapIndex: -1, job, end: 0, pool: -1 });
  }

  function start(entry: Entry, pool: number, now: number): void {
    entry.pool = pool;
    entry.end = now + (jobs[entry.job] as Job).ms;
    if (pool !== -1) free[pool] = (free[pool] as number) - 1;
    running.add(entry);
  }

  /** Of the pools that take the kind, the one with most free slots. */
  function poolFor(kind: number): number {
    let best = -1;
    for (const pool of takers.get(kind) ?? [])
      if ((free[pool] as number) > (best === -1 ? 0 : (free[best] as number))) best = pool;
    return best;
  }

  function startAll(now: number): void {
    for (;;) {
      let first: Entry | undefined;
      let into = -1;
      for (const [kind, heap] of ready) {
        const entry = heap.first();
        if (entry === undefined || (first !== undefined && !before(entry.job, first.job))) continue;
        const pool = poolFor(kind);
        if (pool !== -1) [first, into] = [entry, pool];
      }
      if (first === undefined) return;
      ready.get((jobs[first.job] as Job).kind)?.remove(first);
      start(first, into, now);
    }
  }

  for (const [place, { after, runsIn }] of jobs.entries()) {
    if (place % perStep === perStep - 1) yield;
    if (runsIn !== undefined) {
      start({ heapIndex: -1, job: place, end: 0, pool: -1 }, runsIn, 0);
      continue;
    }
    for (const other of after) {
      (waiters[other] as number[]).push(place);
      left[place] = (left[place] as number) + 1;
    }
    if (left[place] === 0) makeReady(place, 0);
  }
  startAll(0);
  let steps = 0;
  for (let entry = running.first(); entry !== undefined; entry = running.first()) {
    if (++steps % perStep === 0) yield;
    running.remove(entry);
    if (entry.pool === notStarted) {
      makeReady(entry.job, entry.end);
      startAll(entry.end);
      continue;
    }
    ends[entry.job] = entry.end;
    if (entry.pool !== -1) free[entry.pool] = (free[entry.pool] as number) + 1;
    for (const waiter of waiters[entry.job] as number[]) {
      left[waiter] = (left[waiter] as number) - 1;
      if (left[waiter] === 0) makeReady(waiter, entry.end);
    }
    startAll(entry.end);
  }
  return ends;
}
