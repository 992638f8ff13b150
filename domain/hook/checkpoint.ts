import type { HookEvent } from './events.ts';
import type { Held, HookState } from './state.ts';

/** How far a hook is: everything up to the event `through` is settled, but what is held. */
export interface Progress {
  /** `undefined` where its place stays. */
  readonly through: string | undefined;
  readonly held: ReadonlyMap<string, Held>;
}

export type Checkpoint = Extract<HookEvent, { type: 'HookCheckpointed' }>['data'];

/** Streams that one checkpoint names at most, so that it fits into a commit. */
const streamsPerCheckpoint = 200;

/**
 * What has to be written down for a hook to be so far, one after the other; nothing if nothing has. The place moves with the last, once
 * all that is held is known. That an event is parked is not part of it: its own event says that.
 */
export function checkpointsOf(state: HookState, { through, held }: Progress, delivered: number): Checkpoint[] {
  const changed = [...held]
    .filter(([stream, now]) => !sameHeld(state.held.get(stream), now))
    .map(([stream, { parked: _, ...rest }]) => ({ stream, ...rest }));
  const released = [...state.held.keys()].filter((stream) => !held.has(stream));
  const moves = through !== undefined && through !== state.place.after;
  if (!moves && delivered === 0 && changed.length + released.length === 0) return [];
  const checkpoints: Checkpoint[] = [];
  while (changed.length > streamsPerCheckpoint)
    checkpoints.push({ held: changed.splice(0, streamsPerCheckpoint), delivered: 0 });
  checkpoints.push({
    ...(through !== undefined && { through }),
    ...(changed.length > 0 && { held: changed }),
    delivered,
  });
  // What is released may be redelivered without this, and is never lost by it.
  while (released.length > 0) {
    const last = checkpoints.at(-1) as Checkpoint;
    const some = released.splice(0, streamsPerCheckpoint);
    if (last.held === undefined && last.released === undefined) last.released = some;
    else checkpoints.push({ released: some, delivered: 0 });
  }
  return checkpoints;
}

function sameHeld(before: Held | undefined, now: Held): boolean {
  return (
    before?.revision === now.revision &&
    before.attempts === now.attempts &&
    before.error === now.error &&
    before.notBefore === now.notBefore
  );
}
