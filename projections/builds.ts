import { type BuildState, isEnded } from '../domain/build/state.ts';
import type { HeapEntry } from '../domain/scheduling/ready-heap.ts';
import { ints } from './column.ts';
import type { Drv } from './graph.ts';
import { createMemory, type Memory } from './memory.ts';

/**
 * One build, as the queue knows it: a row of {@link Builds}. What it says is what the row has now. Two of one row are the same build and
 * not the same object, so compare `row`, and keep builds in a {@link BuildSet}.
 */
export interface BuildRecord extends HeapEntry {
  /** In the order in which builds were submitted. */
  readonly row: number;
  readonly submission: string;
  /** Its number in the submission; its id is `<submission>-<number>`. */
  readonly number: number;
  readonly drv: Drv;
  /** Age: builds submitted earlier have a lower one. */
  readonly order: number;
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

/** Every build as a row of columns: a build is some forty bytes in a few large arrays, and nothing that garbage collection has to look at. */
export interface Builds {
  add(
    build: Pick<BuildRecord, 'submission' | 'number' | 'drv' | 'order' | 'revision' | 'asked'>,
    state: BuildState,
  ): BuildRecord;
  at(row: number): BuildRecord;
  find(id: string): BuildRecord | undefined;
  /** In the order of their numbers. */
  of(submission: string): BuildRecord[];
  /** The build of the derivation that was submitted last. */
  latest(drv: Drv): BuildRecord | undefined;
  all(): Iterable<BuildRecord>;
  setState(build: BuildRecord, state: BuildState): void;
  setResting(build: BuildRecord, resting: boolean): void;
  setDeferred(build: BuildRecord, deferred: boolean): void;
}

const askedCodes = ['requested', 'forced', 'input'] as const satisfies readonly BuildRecord['asked'][];
const askedMask = 3;
const restingFlag = 4;
const deferredFlag = 8;

/** States that are looked up to be shared. */
const mostStates = 1000;

export function createBuilds(memory: Memory = createMemory()): Builds {
  const submissions = memory.list<string>('submissions');
  const submission = memory.ints('submission'); // Its place in `submissions`.
  const number = memory.ints('number');
  const derivation = memory.ints('derivation');
  const order = memory.ints('order');
  const revision = memory.ints('revision');
  const flags = memory.bytes('flags'); // Its place in `askedCodes`, and what it waits for.
  const previous = memory.ints('previous'); // The row of the build before it of the same derivation; -1 for the first.
  const latest = memory.ints('latest'); // Per derivation: the row of the last one; -1 for none.
  const heapIndex = ints();
  const states: BuildState[] = [];
  /** Rows of each submission, at their numbers less one. */
  const bySubmission = new Map<string, { readonly place: number; readonly rows: number[] }>();

  memory.part('states', {
    save() {
      const distinct: BuildState[] = [];
      const places = new Map<BuildState | string, number>();
      const rows = new Int32Array(states.length);
      for (const [row, state] of states.entries()) {
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
      for (const place of rows) states.push(distinct[place] as BuildState);
      for (const [place, id] of submissions.entries()) bySubmission.set(id, { place, rows: [] });
      for (let row = 0; row < states.length; row++) {
        heapIndex.push(-1);
        const id = submissions[submission.values[row] as number] as string;
        (bySubmission.get(id) as { rows: number[] }).rows[(number.values[row] as number) - 1] = row;
      }
    },
  });

  class Row implements BuildRecord {
    readonly row: number;
    constructor(row: number) {
      this.row = row;
    }
    get submission(): string {
      return submissions[submission.values[this.row] as number] as string;
    }
    get number(): number {
      return number.values[this.row] as number;
    }
    get drv(): Drv {
      return derivation.values[this.row] as Drv;
    }
    get order(): number {
      return order.values[this.row] as number;
    }
    get state(): BuildState {
      return states[this.row] as BuildState;
    }
    get revision(): number {
      return revision.values[this.row] as number;
    }
    set revision(value: number) {
      revision.values[this.row] = value;
    }
    get asked(): BuildRecord['asked'] {
      return askedCodes[(flags.values[this.row] as number) & askedMask] as BuildRecord['asked'];
    }
    get resting(): boolean {
      return ((flags.values[this.row] as number) & restingFlag) !== 0;
    }
    get deferred(): boolean {
      return ((flags.values[this.row] as number) & deferredFlag) !== 0;
    }
    get previous(): BuildRecord | undefined {
      const row = previous.values[this.row] as number;
      return row === -1 ? undefined : new Row(row);
    }
    get heapIndex(): number {
      return heapIndex.values[this.row] as number;
    }
    set heapIndex(index: number) {
      heapIndex.values[this.row] = index;
    }
  }

  /** Builds that were submitted alike, or have ended alike, are in one state: of a million of them there are a few. */
  const known = new Map<string, BuildState>();
  function shared(state: BuildState): BuildState {
    const text = JSON.stringify(state);
    const same = known.get(text);
    if (same !== undefined) return same;
    if (known.size >= mostStates) known.clear();
    known.set(text, state);
    return state;
  }

  function rowsOf(id: string): { readonly place: number; readonly rows: number[] } {
    let found = bySubmission.get(id);
    if (found === undefined) {
      found = { place: submissions.push(id) - 1, rows: [] };
      bySubmission.set(id, found);
    }
    return found;
  }

  function mark(row: number, flag: number, wanted: boolean): void {
    const before = flags.values[row] as number;
    flags.values[row] = wanted ? before | flag : before & ~flag;
  }

  return {
    add(build, state) {
      while (latest.length <= build.drv) latest.push(-1);
      const { place, rows } = rowsOf(build.submission);
      const row = submission.push(place);
      number.push(build.number);
      derivation.push(build.drv);
      order.push(build.order);
      revision.push(build.revision);
      flags.push(askedCodes.indexOf(build.asked));
      previous.push(latest.values[build.drv] as number);
      heapIndex.push(-1);
      states.push(shared(state));
      rows[build.number - 1] = row;
      latest.values[build.drv] = row;
      return new Row(row);
    },
    at: (row) => new Row(row),
    find(id) {
      const parts = parseBuildId(id);
      const row = bySubmission.get(parts.submission)?.rows[parts.number - 1];
      return row === undefined ? undefined : new Row(row);
    },
    of(id) {
      const found: BuildRecord[] = [];
      // Numbers that have not come yet are passed over.
      bySubmission.get(id)?.rows.forEach((row) => {
        found.push(new Row(row));
      });
      return found;
    },
    latest(drv) {
      const row = drv < latest.length ? (latest.values[drv] as number) : -1;
      return row === -1 ? undefined : new Row(row);
    },
    *all() {
      for (let row = 0; row < states.length; row++) yield new Row(row);
    },
    setState({ row }, state) {
      states[row] = isEnded(state.status) ? shared(state) : state;
    },
    setResting: ({ row }, resting) => mark(row, restingFlag, resting),
    setDeferred: ({ row }, deferred) => mark(row, deferredFlag, deferred),
  };
}

/** Builds that are looked for by their rows; in the order in which they were added. */
export interface ReadonlyBuildSet extends Iterable<BuildRecord> {
  readonly size: number;
  has(build: Pick<BuildRecord, 'row'>): boolean;
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
    has: ({ row }) => byRow.has(row),
    add: (build) => void byRow.set(build.row, build),
    delete: ({ row }) => void byRow.delete(row),
    [Symbol.iterator]: () => byRow.values(),
  };
}
