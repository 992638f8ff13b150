import type { Farm } from './farm.ts';
import type { Waits } from './why.ts';

/*
 * A farm at a moment that is over, folded from the log: nobody counts its waits any more, so the instants in the log are all there is.
 */

/** A wait that has ended is no event: whoever counts wakes the build. */
export function wakeDue({ queue }: Pick<Farm, 'queue'>, at: number): void {
  for (const build of [...queue.resting()]) if (build.state.notBefore <= at) queue.wake(build);
  for (const build of [...queue.deferred()]) if ((build.state.options.deferUntil ?? 0) <= at) queue.due(build);
}

/** For {@link explain}. */
export function loggedWaits({ agents }: Pick<Farm, 'agents'>): Waits {
  const nothing = () => undefined;
  const lease = (name: string) => agents.get(name)?.state.leaseUntil || undefined;
  return { backOff: nothing, deferral: nothing, lease, coordinator: nothing };
}
