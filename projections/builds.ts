import { type BuildState, isEnded } from '../domain/build/state.ts';
import type { HeapEntry } from '../domain/scheduling/ready-heap.ts';
import type { BuildOptions } from '../domain/submission/events.ts';
import { NarrowInts } from './column.ts';
import type { Drv } from './graph.ts';
import { createMemory, type Memory } from './memory.ts';

/**
 * One build, as the queue knows it: a row of {@link Builds}. What it says is what the row has now. Two of one row are the same build and
 * not the same object, so compare `row`, and keep builds in a {@link BuildSet}.
 */
export interface BuildRecord extends HeapEntry {
  /** Rows of builds that were forgotten are used again. */
  readonly row: number;
  readonly submission: string;
  /** Its number in the submission; its id is `<submission>-<number>`. */
  readonly number: number;
  readonly drv: Drv;
  /** Age: builds submitted earlier have a lower one. */
  readonly order: number;
  /** It ended and was forgotten since whoever has this got it: then nothing else but its order may be asked. A {@link BuildSet} drops it. */
  readonly isForgotten: boolean;
  readonly state: BuildState;
  /** Revision of the last event of its stream. */
  revision: number;
  /**
   * `requested`: its submission asked for it, and wants it; `forced`: it is built although its outputs are available, too; `input`: it is
   * wanted through what needs it.
   */
  readonly asked: 'requested' | 'forced' | 'input';
  /** It waits for `state.notBefore`. */
  readonly resting: boolean;
  /** It waits for `state.options.deferUntil`. */
  readonly deferred: boolean;
  /** The build of the same derivation that was submitted before it. */
  readonly previous: BuildRecord | undefined;
}

export function buildId(build: Pick<BuildRecord, 'submission' | 'number'>): string {
  return `${build.submission}-${build.number}`;
}

/** `<submission>-<number>`. */
export function parseBuildId(id: string): { submission: string; number: number } {
  const dash = id.lastIndexOf('-');
  return { submission: id.slice(0, dash), number: Number(id.slice(dash + 1)) };
}

/** Builds as rows of columns: a build is some forty bytes in a few large arrays, and nothing that garbage collection has to look at. */
export interface Builds {
  add(
    build: Pick<BuildRecord, 'submission' | 'number' | 'drv' | 'order' | 'revision' | 'asked'>,
    state: BuildState,
  ): BuildRecord;
  at(row: number): BuildRecord;
  find(id: string): BuildRecord | undefined;
  numbered(submission: string, number: number): BuildRecord | undefined;
  /** No build of the submission has a higher number; 0 where it has none. */
  highestNumber(submission: string): number;
  /** In the order of their numbers. */
  of(submission: string): BuildRecord[];
  /** The same one by one, those included that come meanwhile: a submission can have very many. */
  eachOf(submission: string): Iterable<BuildRecord>;
  /** The build of the derivation that was submitted last. */
  latest(drv: Drv): BuildRecord | undefined;
  all(): Iterable<BuildRecord>;
  setState(build: BuildRecord, state: BuildState): void;
  setResting(build: BuildRecord, resting: boolean): void;
  setDeferred(build: BuildRecord, deferred: boolean): void;
  /** The build was never there. What was said of it before says nothing any more: its properties throw. */
  forget(build: BuildRecord): void;
  /** That submission has all the builds that it was to have: most get no more. */
  submissionQueued(id: string): void;
  /** That submission will have no builds any more; those that it had were forgotten. */
  forgetSubmission(id: string): void;
}

/** Of a row that is free. */
const nobody = -1;

const askedCodes = ['requested', 'forced', 'input'] as const satisfies readonly BuildRecord['asked'][];
const askedMask = 3;
const restingFlag = 4;
const deferredFlag = 8;

/** States that are looked up to be shared. */
const mostStates = 1000;

export function createBuilds(memory: Memory = createMemory()): Builds {
  const submissions = memory.list<string>('submissions');
  const submission = memory.narrowInts('submission'); // Its place in `submissions`.
  const number = memory.narrowInts('number');
  const derivation = memory.narrowInts('derivation');
  const order = memory.narrowInts('order');
  const revision = memory.narrowInts('revision');
  const flags = memory.bytes('flags'); // Its place in `askedCodes`, and what it waits for.
  const previous = memory.narrowInts('previous'); // The row of the build before it of the same derivation; -1 for the first.
  const latest = memory.narrowInts('latest'); // Per derivation: the row of the last one; -1 for none.
  const heapIndex = new NarrowInts();
  /** `undefined` of a row that is free. */
  const states: (BuildState | undefined)[] = [];
  const free = memory.list<number>('free');
  const freePlaces = memory.list<number>('freePlaces'); // Of `submissions`.
  /** Rows of each submission, at their numbers less one. */
  const bySubmission = new Map<string, { readonly place: number; rows: number[] }>();

  memory.part('states', {
    save() {
      const distinct: BuildState[] = [];
      const places = new Map<BuildState | string, number>();
      const rows = new Int32Array(states.length);
      for (const [row, state] of states.entries()) {
        if (state === undefined) {
          rows[row] = nobody;
          continue;
        }
        let place = places.get(state); // Most are shared: then they are found as objects.
        if (place === undefined) {
          const text = JSON.stringify(state);
          place = places.get(text) ?? distinct.push(state) - 1;
          places.set(text, place).set(state, place);
        }
        rows[row] = place;
      }
      return { distinct, rows };
    },
    load({ distinct, rows }: { distinct: readonly BuildState[]; rows: Int32Array }) {
      for (let row = 0; row < rows.length; row++) {
        const place = rows[row] as number;
        states.push(place === nobody ? undefined : distinct[place]);
      }
      const rowsOf = submissions.map((id, place) => {
        const rows: number[] = [];
        if (id !== '') bySubmission.set(id, { place, rows });
        return rows;
      });
      heapIndex.lengthen(states.length, -1);
      for (let row = 0; row < states.length; row++) {
        if (states[row] === undefined) continue;
        (rowsOf[submission.get(row)] as number[])[number.get(row) - 1] = row;
      }
    },
  });

  class Row implements BuildRecord {
    readonly row: number;
    readonly order: number;
    constructor(row: number) {
      this.row = row;
      this.order = order.get(row);
    }
    get isForgotten(): boolean {
      return order.get(this.row) !== this.order;
    }
    /** Who held on to it while others had their turn must not be told of the build that has its row by now. */
    check(): void {
      if (this.isForgotten) throw new Error('the build ended long ago, and was forgotten');
    }
    get submission(): string {
      this.check();
      return submissions[submission.get(this.row)] as string;
    }
    get number(): number {
      this.check();
      return number.get(this.row);
    }
    get drv(): Drv {
      this.check();
      return derivation.get(this.row);
    }
    get state(): BuildState {
      this.check();
      return states[this.row] as BuildState;
    }
    get revision(): number {
      this.check();
      return revision.get(this.row);
    }
    set revision(value: number) {
      revision.set(this.row, value);
    }
    get asked(): BuildRecord['asked'] {
      this.check();
      return askedCodes[(flags.values[this.row] as number) & askedMask] as BuildRecord['asked'];
    }
    get resting(): boolean {
      this.check();
      return ((flags.values[this.row] as number) & restingFlag) !== 0;
    }
    get deferred(): boolean {
      this.check();
      return ((flags.values[this.row] as number) & deferredFlag) !== 0;
    }
    get previous(): BuildRecord | undefined {
      this.check();
      const row = previous.get(this.row);
      return row === -1 ? undefined : new Row(row);
    }
    get heapIndex(): number {
      return heapIndex.get(this.row);
    }
    set heapIndex(index: number) {
      heapIndex.set(this.row, index);
    }
  }

  /** Builds that were submitted alike, or have ended alike, are in one state: of a million of them there are a few. */
  const known = new Map<string, BuildState>();
  /** The last one of each agent: most that come next are alike, which is seen at a tenth of the cost of writing them out. */
  const lastOf = new Map<string | undefined, BuildState>();
  function shared(state: BuildState): BuildState {
    const agent = state.agents.at(-1);
    const last = lastOf.get(agent);
    if (last !== undefined && areAlike(last, state)) return last;
    const found = sharedAnew(state);
    if (last === undefined && lastOf.size >= mostStates) lastOf.clear();
    lastOf.set(agent, found);
    return found;
  }

  function sharedAnew(state: BuildState): BuildState {
    const text = JSON.stringify(state);
    const same = known.get(text);
    if (same !== undefined) return same;
    if (known.size >= mostStates) known.clear();
    known.set(text, state);
    return state;
  }

  function rowsOf(id: string): { readonly place: number; rows: number[] } {
    let found = bySubmission.get(id);
    if (found === undefined) {
      const place = freePlaces.pop() ?? submissions.length;
      submissions[place] = id;
      found = { place, rows: [] };
      bySubmission.set(id, found);
    }
    return found;
  }

  function newRow(): number {
    for (const one of [number, derivation, order, revision, previous, heapIndex]) one.push(-1);
    flags.push(0);
    states.push(undefined);
    return submission.push(nobody);
  }

  function numbered(id: string, number: number): BuildRecord | undefined {
    const row = bySubmission.get(id)?.rows[number - 1];
    return row === undefined ? undefined : new Row(row);
  }

  function mark(row: number, flag: number, wanted: boolean): void {
    const before = flags.values[row] as number;
    flags.values[row] = wanted ? before | flag : before & ~flag;
  }

  /** What was looked for last: a build is looked for many times in a row, by everything that hears of one event. */
  let asked = { id: '', submission: '', number: 0 };

  return {
    add(build, state) {
      while (latest.length <= build.drv) latest.push(-1);
      const { place, rows } = rowsOf(build.submission);
      const row = free.pop() ?? newRow();
      submission.set(row, place);
      number.set(row, build.number);
      derivation.set(row, build.drv);
      order.set(row, build.order);
      revision.set(row, build.revision);
      flags.values[row] = askedCodes.indexOf(build.asked);
      previous.set(row, latest.get(build.drv));
      states[row] = shared(state);
      rows[build.number - 1] = row;
      latest.set(build.drv, row);
      return new Row(row);
    },
    at: (row) => new Row(row),
    find(id) {
      if (id !== asked.id) asked = { id, ...parseBuildId(id) };
      return numbered(asked.submission, asked.number);
    },
    numbered,
    highestNumber(id) {
      const rows = bySubmission.get(id)?.rows ?? [];
      while (rows.length > 0 && rows.at(-1) === undefined) rows.pop();
      return rows.length;
    },
    of(id) {
      const found: BuildRecord[] = [];
      // Numbers that have not come yet are passed over.
      bySubmission.get(id)?.rows.forEach((row) => {
        found.push(new Row(row));
      });
      return found;
    },
    *eachOf(id) {
      for (let place = 0; place < (bySubmission.get(id)?.rows.length ?? 0); place++) {
        const row = bySubmission.get(id)?.rows[place];
        if (row !== undefined) yield new Row(row);
      }
    },
    latest(drv) {
      const row = drv < latest.length ? latest.get(drv) : -1;
      return row === -1 ? undefined : new Row(row);
    },
    *all() {
      for (let row = 0; row < states.length; row++) if (states[row] !== undefined) yield new Row(row);
    },
    setState({ row }, state) {
      states[row] = isEnded(state.status) ? shared(state) : state;
    },
    setResting: ({ row }, resting) => mark(row, restingFlag, resting),
    setDeferred: ({ row }, deferred) => mark(row, deferredFlag, deferred),
    forget(build) {
      const { row, drv, submission: id } = build;
      const before = previous.get(row);
      if (latest.get(drv) === row) latest.set(drv, before);
      else {
        let later = latest.get(drv);
        while (previous.get(later) !== row) later = previous.get(later);
        previous.set(later, before);
      }
      const rows = bySubmission.get(id)?.rows;
      if (rows !== undefined) delete rows[build.number - 1];
      states[row] = undefined;
      order.set(row, nobody);
      free.push(row);
    },
    submissionQueued(id) {
      const known = bySubmission.get(id);
      // What was reserved for more is as much again.
      if (known !== undefined) known.rows = known.rows.slice();
    },
    forgetSubmission(id) {
      const known = bySubmission.get(id);
      if (known === undefined) return;
      bySubmission.delete(id);
      submissions[known.place] = '';
      freePlaces.push(known.place);
    },
  };
}

/** Whether two states are the same for certain: of those to which anything out of the ordinary has happened that is not known. */
function areAlike(a: BuildState, b: BuildState): boolean {
  return (
    a.status === b.status &&
    a.attempt === b.attempt &&
    a.failures === b.failures &&
    a.mishaps === b.mishaps &&
    a.returned === b.returned &&
    a.notBefore === b.notBefore &&
    a.blame === b.blame &&
    a.lost === b.lost &&
    a.over === b.over &&
    a.avoid === b.avoid &&
    isOrdinary(a) &&
    isOrdinary(b) &&
    areSame(a.options, b.options) &&
    a.agents.length === b.agents.length &&
    a.agents.every((agent, at) => agent === b.agents[at])
  );
}

const isOrdinary = ({ withdrawn, upstreams, lastFailure }: BuildState): boolean =>
  withdrawn === undefined && upstreams === undefined && lastFailure === undefined;

/** Options are few, and numbers but for tags, which are the same only where they are one object. */
function areSame(a: BuildOptions, b: BuildOptions): boolean {
  if (a === b) return true;
  const names = Object.keys(a) as (keyof BuildOptions)[];
  return names.length === Object.keys(b).length && names.every((name) => name in b && a[name] === b[name]);
}

/**
 * Builds that are looked for by their rows; in the order in which they were added. What was forgotten since is not in it any more, whoever
 * has its row by then: so it is what to hold on to builds by while others have their turn.
 */
export interface ReadonlyBuildSet extends Iterable<BuildRecord> {
  /** What was forgotten counts until the set is walked. */
  readonly size: number;
  /** Whether none was forgotten since the set was walked. */
  readonly isWhole: boolean;
  has(build: Pick<BuildRecord, 'row' | 'order'>): boolean;
}

export interface BuildSet extends ReadonlyBuildSet {
  add(build: BuildRecord): void;
  delete(build: Pick<BuildRecord, 'row'>): void;
}

export function createBuildSet(builds: Iterable<BuildRecord> = []): BuildSet {
  const byRow = new Map<number, BuildRecord>();
  for (const build of builds) byRow.set(build.row, build);
  return {
    get size() {
      return byRow.size;
    },
    get isWhole() {
      for (const build of byRow.values()) if (build.isForgotten) return false;
      return true;
    },
    has: ({ row, order }) => byRow.get(row)?.order === order,
    add: (build) => void byRow.set(build.row, build),
    delete: ({ row }) => void byRow.delete(row),
    *[Symbol.iterator]() {
      for (const build of byRow.values())
        if (build.isForgotten) byRow.delete(build.row);
        else yield build;
    },
  };
}
