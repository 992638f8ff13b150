import { allOf, type Neighbours } from './layers.ts';

/** How each node of a graph is shown now. */
export interface Look {
  /** Of each node; of a part that of most of what has not ended well. */
  readonly states: readonly string[];
  readonly labels: readonly string[];
  /** What is said below the name. */
  readonly notes: readonly string[];
  /** How many builds are at what. */
  readonly counts: ReadonlyMap<string, number>;
  /** Of what stands for several builds, how many are at what. */
  readonly parts: ReadonlyMap<number, readonly (readonly [state: string, builds: number])[]>;
  /** Nodes of the critical path, in its order. */
  readonly path: readonly number[];
  /** Of each node, whether it has failed, or waits for one that has. */
  readonly inTrouble: Uint8Array;
}

/** What has failed or was cancelled, and all that waits for it, however far. */
export function troubleOf(states: readonly string[], needers: Neighbours): Uint8Array {
  const found = new Uint8Array(states.length);
  const open: number[] = [];
  for (const [node, state] of states.entries()) {
    if (state !== 'failed' && state !== 'canceled') continue;
    found[node] = 1;
    open.push(node);
  }
  for (const node of open)
    for (const needer of allOf(needers, node)) {
      // What was built has it from elsewhere, or had it before.
      if (found[needer] === 1 || states[needer] === 'succeeded') continue;
      found[needer] = 1;
      open.push(needer);
    }
  return found;
}
