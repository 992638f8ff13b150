import type { BuildEvent } from '../domain/build/events.ts';
import { isEnded } from '../domain/build/state.ts';
import type { Agentless } from './agentless.ts';
import type { BuildRecord } from './builds.ts';
import type { Item, JobClass } from './graph.ts';
import { createMemory, type Memory } from './memory.ts';

/** Where the time of a build goes, in the order in which an undisturbed one has them. */
export const phases = [
  'deferred',
  'inputs',
  'text-lost',
  'back-off',
  'no-agent',
  'slot',
  'allocated',
  'fetching',
  'building',
  'uploading',
] as const;
/**
 * `deferred`: somebody wanted it built later; `inputs`: an input is not available; `text-lost`: the text of its derivation is; `back-off`: a retry is not due yet; `no-agent`: no agent
 * takes builds of its kind; `slot`: those that do are busy; `allocated`: an agent has it and has not begun; `fetching`, `building`,
 * `uploading`: what its agent does. Where the agent does not say, `allocated` includes the fetching, and `building` the uploading.
 */
export type Phase = (typeof phases)[number];

/** A time that a build was in one phase. */
export interface Span {
  readonly phase: Phase;
  /** Milliseconds since the Unix epoch. */
  readonly from: number;
  readonly to: number;
  /** Of the phases of an agent. */
  readonly attempt?: number;
  /** `inputs`: the item whose coming ended the wait. */
  readonly item?: Item;
  /** `no-agent`: what became of the last one. */
  readonly cause?: string;
}

/** The time of many builds, by phase. */
export interface Tally {
  /** Milliseconds, in the order of {@link phases}. */
  readonly ms: Float64Array;
  /** When the first of them was submitted. */
  begin: number;
  /** Attempts that have ended without their agents saying how long they fetched: that is in `allocated`. */
  untold: number;
}

export function createTally(): Tally {
  return { ms: new Float64Array(phases.length), begin: Number.POSITIVE_INFINITY, untold: 0 };
}

/**
 * What each build was at, from its submission to its end. A fold of all events, kept as one row per change: the spans of a build follow
 * one on the other without a gap, so that they add up to its whole time.
 */
export interface Timeline {
  /** The event that is being folded happened then. */
  now(at: number): void;
  /** What the build waits for has changed, or may have; `item` where it was the coming or going of one. */
  waits(build: BuildRecord, on: 'inputs' | 'text-lost' | 'ready', item?: Item): void;
  /** One of its own events was folded into it. */
  happened(build: BuildRecord, event: BuildEvent): void;
  /** Oldest first; up to `now` (milliseconds since the Unix epoch) for one that has not ended. */
  spans(build: BuildRecord, jobClass: JobClass, now: number): readonly Span[];
  /** Adds the spans to a tally: the same sums, for a great many builds. */
  tally(build: BuildRecord, jobClass: JobClass, now: number, into: Tally): void;
  /** When it ended. */
  endedAt(build: BuildRecord): number | undefined;
  /** What was kept of the build goes. */
  forget(build: BuildRecord): void;
  /** Its rows as text: equal timelines give equal texts. */
  describe(build: BuildRecord): string;
}

type State = 'inputs' | 'text-lost' | 'ready' | 'allocated' | 'fetching' | 'building' | 'uploading' | 'ended';
const states: readonly State[] = [
  'inputs',
  'text-lost',
  'ready',
  'allocated',
  'fetching',
  'building',
  'uploading',
  'ended',
];
const codes = Object.fromEntries(states.map((state, code) => [state, code])) as Record<State, number>;

export function createTimeline(agentless: Pick<Agentless, 'within'>, memory: Memory = createMemory()): Timeline {
  const last = memory.narrowInts('last'); // Per build: its last row.
  const since = memory.floats('since');
  const state = memory.bytes('state');
  const before = memory.narrowInts('before'); // The row before of the same build; -1 for the first.
  const detail = memory.narrowInts('detail'); // The item that led to it, or the number of the attempt; -1 for none.
  /** Rows of builds whose retry is not due before an instant. */
  const notBefore = memory.map<number, number>('notBefore');
  /** Rows of builds that are deferred to an instant. */
  const deferredTo = memory.map<number, number>('deferredTo');
  let clock = 0;
  /** Of the rows that are free, in a list through `before`; -1 for none. */
  let firstFree = -1;
  memory.part('clock', {
    save: () => ({ clock, firstFree }),
    load(saved: { clock: number; firstFree: number }) {
      ({ clock, firstFree } = saved);
    },
  });

  const lastOf = (build: BuildRecord): number => (build.row < last.length ? last.get(build.row) : -1);

  function push(build: BuildRecord, code: number, at: number, about: number): void {
    while (last.length <= build.row) last.push(-1);
    const row = lastOf(build);
    // Clocks are set back now and then; time in here is not.
    const from = row === -1 ? at : Math.max(at, since.values[row] as number);
    last.set(build.row, write(from, code, row, about));
  }

  /** @returns the row, a free one or a new one. */
  function write(at: number, code: number, previous: number, about: number): number {
    let row = firstFree;
    if (row === -1) {
      row = since.push(0);
      for (const column of [state, before, detail]) column.push(0);
    } else firstFree = before.get(row);
    since.values[row] = at;
    state.values[row] = code;
    before.set(row, previous);
    detail.set(row, about);
    return row;
  }

  /** Puts a row between the last one, of the given state, and the one before it: the state began that long before it ended. */
  function insert(build: BuildRecord, code: number, ms: number, attempt: number): void {
    const row = lastOf(build);
    const previous = before.get(row);
    const from = Math.max(since.values[previous] as number, (since.values[row] as number) - ms);
    const inserted = write(from, code, previous, attempt); // Which may give the column other values.
    before.set(row, inserted);
  }

  /** What the agent says of the attempt that has just ended: its last row is still that of the attempt. */
  function split(build: BuildRecord, event: Reported): void {
    const { attempt } = event.data;
    const row = lastOf(build);
    if (row === -1 || detail.get(row) !== attempt) return;
    const { fetchingMs, buildingMs, uploadingMs } = event.data.phases ?? {};
    const current = state.values[row] as number;
    if (current === codes.allocated) {
      // The agent never said when it began to build, or did so before it was given up for a while.
      const took = { fetching: fetchingMs, building: buildingMs, uploading: uploadingMs };
      let left = (fetchingMs ?? 0) + (buildingMs ?? 0) + (uploadingMs ?? 0);
      for (const name of ['fetching', 'building', 'uploading'] as const) {
        if (took[name] === undefined) continue;
        push(build, codes[name], Math.max(since.values[row] as number, clock - left), attempt);
        left -= took[name];
      }
      return;
    }
    if (current !== codes.building) return;
    if (fetchingMs !== undefined && state.values[before.get(row)] === codes.allocated)
      insert(build, codes.fetching, fetchingMs, attempt);
    const built = buildingMs ?? ('durationMs' in event.data ? event.data.durationMs : undefined);
    if (built === undefined || (uploadingMs === undefined && event.type !== 'BuildSucceeded')) return;
    push(build, codes.uploading, Math.min(clock, (since.values[row] as number) + built), attempt);
  }

  return {
    now(at) {
      clock = at;
    },
    waits(build, on, item) {
      const row = lastOf(build);
      const due = build.state.notBefore;
      const rests = on === 'ready' && due > 0;
      const deferral = build.state.options.deferUntil;
      const isAsBefore = row !== -1 && state.values[row] === codes[on] && deferredTo.get(row) === deferral;
      if (isAsBefore && notBefore.get(row) === (rests ? due : undefined)) return;
      push(build, codes[on], clock, item ?? -1);
      if (rests) notBefore.set(lastOf(build), due);
      if (deferral !== undefined) deferredTo.set(lastOf(build), deferral);
    },
    happened(build, event) {
      switch (event.type) {
        case 'BuildAllocated':
          return push(build, codes.allocated, clock, event.data.attempt);
        case 'BuildStarted':
          return push(build, codes.building, clock, event.data.attempt);
        case 'BuildSetupFailed':
        case 'BuildAttemptFailed':
          return split(build, event);
        case 'BuildSucceeded':
          split(build, event);
          return push(build, codes.ended, clock, -1);
        default:
          if (isEnded(build.state.status) && state.values[lastOf(build)] !== codes.ended)
            push(build, codes.ended, clock, -1);
      }
    },
    spans(build, jobClass, now) {
      const found: Span[] = [];
      const rows: number[] = [];
      for (let row = lastOf(build); row !== -1; row = before.get(row)) rows.push(row);
      rows.reverse();
      for (const [index, row] of rows.entries()) {
        const next = rows[index + 1];
        const from = since.values[row] as number;
        const to = next === undefined ? Math.max(from, now) : (since.values[next] as number);
        const name = states[state.values[row] as number] as State;
        if (name === 'ended') break;
        const due = deferralEnd(row, from, to);
        if (due > from) extend(found, { phase: 'deferred', from, to: due });
        if (name === 'ready') addReady(found, jobClass, due, to, notBefore.get(row) ?? 0);
        else if (name === 'text-lost') add(found, { phase: name, from: due, to });
        else if (name === 'inputs') {
          const item = next === undefined ? -1 : detail.get(next);
          const came = next !== undefined && (state.values[next] as number) <= codes.ready && item !== -1;
          add(found, { phase: name, from: due, to, ...(came && { item }) });
        } else found.push({ phase: name, from, to, attempt: detail.get(row) });
      }
      return found;
    },
    tally(build, jobClass, now, into) {
      let to = Math.max(now, since.values[lastOf(build)] ?? 0);
      let next = -1; // State of the row after this one, and whether there is one more after that.
      let goesOn = false;
      for (let row = lastOf(build); row !== -1; row = before.get(row)) {
        const from = since.values[row] as number;
        const code = state.values[row] as number;
        const due = deferralEnd(row, from, to);
        if (due > from) count(into, 'deferred', due - from);
        if (code === codes.ready) countReady(into, jobClass, due, to, notBefore.get(row) ?? 0);
        else if (code !== codes.ended) count(into, states[code] as Phase, to - due);
        if (code === codes.allocated && next === codes.building && goesOn) into.untold++;
        goesOn = next !== -1;
        next = code;
        to = from;
      }
      into.begin = Math.min(into.begin, to);
    },
    endedAt(build) {
      const row = lastOf(build);
      return row !== -1 && state.values[row] === codes.ended ? since.values[row] : undefined;
    },
    forget(build) {
      let row = lastOf(build);
      while (row !== -1) {
        const previous = before.get(row);
        notBefore.delete(row);
        deferredTo.delete(row);
        before.set(row, firstFree);
        firstFree = row;
        row = previous;
      }
      if (build.row < last.length) last.set(build.row, -1);
    },
    describe(build) {
      const rows: string[] = [];
      for (let row = lastOf(build); row !== -1; row = before.get(row))
        rows.push(
          `${states[state.values[row] as number]}@${since.values[row]}/${notBefore.get(row) ?? ''}/${deferredTo.get(row) ?? ''}`,
        );
      return rows.reverse().join(' ');
    },
  };

  /** Up to when the time of a row is that of a deferral; `from` where it is none. */
  function deferralEnd(row: number, from: number, to: number): number {
    return Math.max(from, Math.min(to, deferredTo.get(row) ?? 0));
  }

  function countReady(into: Tally, jobClass: JobClass, from: number, to: number, due: number): void {
    if (due <= from && agentless.within(jobClass, from, to).length === 0) return count(into, 'slot', to - from);
    const found: Span[] = [];
    addReady(found, jobClass, from, to, due);
    for (const span of found) count(into, span.phase, span.to - span.from);
  }

  function addReady(found: Span[], jobClass: JobClass, from: number, to: number, due: number): void {
    let at = from;
    const until = (end: number, phase: Phase, cause?: string): void => {
      if (add(found, { phase, from: at, to: Math.min(end, to), ...(cause !== undefined && { cause }) }))
        at = Math.min(end, to);
    };
    until(due, 'back-off');
    for (const time of at < to ? agentless.within(jobClass, at, to) : []) {
      until(time.from, 'slot');
      until(time.to, 'no-agent', time.cause);
    }
    until(to, 'slot');
  }
}

const places = Object.fromEntries(phases.map((phase, place) => [phase, place])) as Record<Phase, number>;

function count({ ms }: Tally, phase: Phase, more: number): void {
  ms[places[phase]] = (ms[places[phase]] as number) + more;
}

/** Adds a wait, or makes the last one longer where it is the same: what else changed meanwhile ended nothing. */
function extend(found: Span[], span: Span): void {
  const last = found.at(-1);
  if (last?.phase === span.phase && last.to === span.from) found[found.length - 1] = { ...last, to: span.to };
  else found.push(span);
}

/** Adds a wait that took any time. */
function add(found: Span[], span: Span): boolean {
  if (span.to <= span.from) return false;
  found.push(span);
  return true;
}

type Reported = Extract<BuildEvent, { type: 'BuildSetupFailed' | 'BuildAttemptFailed' | 'BuildSucceeded' }>;
