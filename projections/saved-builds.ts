import type { BuildState } from '../domain/build/state.ts';
import type { Drv } from './graph.ts';
import type { BuildRecord } from './queue.ts';

/** Builds as columns, the oldest first: what a snapshot has of them. States that are the same are written once. */
export interface SavedBuilds {
  readonly submissions: readonly string[];
  readonly states: readonly BuildState[];
  /** Place in `submissions`, number in it, derivation, order, place in `states`, revision: {@link width} numbers a build. */
  readonly rows: Int32Array;
  /** {@link askedCodes}, and flags. */
  readonly flags: Uint8Array;
}

const width = 6;
const askedCodes = ['requested', 'forced', 'input'] as const satisfies readonly BuildRecord['asked'][];
const resting = 4;
const deferred = 8;
/** It is in the heap of its class. */
const ready = 16;

/** @param builds the oldest first. */
export function saveBuilds(builds: readonly BuildRecord[]): SavedBuilds {
  const submissions = places<string>();
  const states = places<string>();
  /** Most are shared (queue.ts): then they are compared as objects. */
  const placeOfState = new Map<BuildState, number>();
  const distinct: BuildState[] = [];
  const rows = new Int32Array(builds.length * width);
  const flags = new Uint8Array(builds.length);
  let at = 0;
  for (const [index, build] of builds.entries()) {
    rows[at++] = submissions.of(build.submission);
    rows[at++] = build.number;
    rows[at++] = build.drv;
    rows[at++] = build.order;
    rows[at++] = placeOf(build.state);
    rows[at++] = build.revision;
    flags[index] =
      askedCodes.indexOf(build.asked) |
      (build.resting ? resting : 0) |
      (build.deferred ? deferred : 0) |
      (build.heapIndex === -1 ? 0 : ready);
  }
  return { submissions: submissions.all(), states: distinct, rows, flags };

  function placeOf(state: BuildState): number {
    const known = placeOfState.get(state);
    if (known !== undefined) return known;
    const place = states.of(JSON.stringify(state));
    if (place === distinct.length) distinct.push(state);
    placeOfState.set(state, place);
    return place;
  }
}

/** Numbers values in the order in which they come. */
function places<Value>(): { of(value: Value): number; all(): Value[] } {
  const known = new Map<Value, number>();
  return {
    of(value) {
      const place = known.get(value) ?? known.size;
      if (place === known.size) known.set(value, place);
      return place;
    },
    all: () => [...known.keys()],
  };
}

/** @param latest filled with the newest build of each derivation. */
export function loadBuilds(
  { submissions, states, rows, flags }: SavedBuilds,
  latest: (BuildRecord | undefined)[],
): { readonly builds: readonly BuildRecord[]; readonly ready: readonly BuildRecord[] } {
  const builds: BuildRecord[] = [];
  const inHeaps: BuildRecord[] = [];
  for (let index = 0; index < flags.length; index++) {
    const at = index * width;
    const flag = flags[index] as number;
    const drv = rows[at + 2] as Drv;
    const build: BuildRecord = {
      submission: submissions[rows[at] as number] as string,
      number: rows[at + 1] as number,
      drv,
      order: rows[at + 3] as number,
      state: states[rows[at + 4] as number] as BuildState,
      revision: rows[at + 5] as number,
      asked: askedCodes[flag & 3] as BuildRecord['asked'],
      resting: (flag & resting) !== 0,
      deferred: (flag & deferred) !== 0,
      previous: latest[drv],
      heapIndex: -1,
    };
    latest[drv] = build;
    builds.push(build);
    if ((flag & ready) !== 0) inHeaps.push(build);
  }
  return { builds, ready: inHeaps };
}
