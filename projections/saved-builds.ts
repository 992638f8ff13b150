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
  const places = new Map<string, number>();
  const stateByText = new Map<string, number>();
  const states: BuildState[] = [];
  const rows = new Int32Array(builds.length * width);
  const flags = new Uint8Array(builds.length);
  for (const [index, build] of builds.entries()) {
    const { submission, number, drv, order, revision, state } = build;
    const place = places.get(submission) ?? places.size;
    places.set(submission, place);
    const text = JSON.stringify(state);
    const stateAt = stateByText.get(text) ?? states.push(state) - 1;
    stateByText.set(text, stateAt);
    rows.set([place, number, drv, order, stateAt, revision], index * width);
    flags[index] =
      askedCodes.indexOf(build.asked) |
      (build.resting ? resting : 0) |
      (build.deferred ? deferred : 0) |
      (build.heapIndex === -1 ? 0 : ready);
  }
  return { submissions: [...places.keys()], states, rows, flags };
}

/** @param latest filled with the newest build of each derivation. */
export function loadBuilds(
  saved: SavedBuilds,
  latest: (BuildRecord | undefined)[],
): { build: BuildRecord; ready: boolean }[] {
  const { submissions, states, rows, flags } = saved;
  return Array.from(flags, (flag, index) => {
    const [place, number, drv, order, state, revision] = rows.subarray(
      index * width,
      (index + 1) * width,
    ) as unknown as [number, number, Drv, number, number, number];
    const build: BuildRecord = {
      submission: submissions[place] as string,
      number,
      drv,
      order,
      state: states[state] as BuildState,
      revision,
      asked: askedCodes[flag & 3] as BuildRecord['asked'],
      resting: (flag & resting) !== 0,
      deferred: (flag & deferred) !== 0,
      previous: latest[drv],
      heapIndex: -1,
    };
    latest[drv] = build;
    return { build, ready: (flag & ready) !== 0 };
  });
}
