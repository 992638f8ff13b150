import type { HookEvent } from './events.ts';
import type { Held, HookState } from './state.ts';

/** How far a hook is: everything up to the event `through` is settled, but what is held. */
export interface Progress {
  /** `undefined` where its place stays. */
  readonly through: string | undefined;
  readonly held: ReadonlyMap<string, Held>;
}

export type Checkpoint = Extract<HookEvent, { type: 'HookCheckpointed' }>['data'];

/**
 * What has to be written down for a hook to be so far, `undefined` if nothing has. That an event is parked is not part of it: its
 * own event says that.
 */
export function checkpointOf(state: HookState, { through, held }: Progress, delivered: number): Checkpoint | undefined {
  const changed = [...held]
    .filter(([stream, now]) => !sameHeld(state.held.get(stream), now))
    .map(([stream, { parked: _, ...rest }]) => ({ stream, ...rest }));
  const released = [...state.held.keys()].filter((stream) => !held.has(stream));
  const moves = through !== undefined && through !== state.place.after;
  if (!moves && delivered === 0 && changed.length + released.length === 0) return undefined;
  return {
    ...(through !== undefined && { through }),
    ...(changed.length > 0 && { held: changed }),
    ...(released.length > 0 && { released }),
    delivered,
  };
}

function sameHeld(before: Held | undefined, now: Held): boolean {
  return (
    before?.revision === now.revision &&
    before.attempts === now.attempts &&
    before.error === now.error &&
    before.notBefore === now.notBefore
  );
}
