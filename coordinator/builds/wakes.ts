import { longestDeferralMs } from '../../domain/build/deferral.ts';
import { endEvents } from '../../domain/build/state.ts';
import type { Category, DroverEvent } from '../../domain/events.ts';
import { type BuildRecord, buildId } from '../../projections/builds.ts';
import type { Core } from '../core.ts';
import type { Deadlines } from '../deadlines.ts';

/** Names the deadline of a build's back-off. */
export const retryOf = (build: string): string => `retry ${build}`;
/** Names the deadline of a build that is deferred. */
export const deferralOf = (build: string): string => `deferral ${build}`;

/** Wakes builds when their back-off has passed, and when the time has come that they are deferred to. */
export function startWakes({ farm, writer, policy }: Core, deadlines: Deadlines, woken: () => void): void {
  const { queue } = farm;
  const { builder, infrastructure } = policy.retry;
  const longestMs = Math.max(builder.maxSeconds, infrastructure.maxSeconds) * 1000;

  function armRetry(build: BuildRecord): void {
    deadlines.set(retryOf(buildId(build)), build.state.notBefore, longestMs, () => {
      queue.wake(build);
      woken();
    });
  }

  function armDeferral(build: BuildRecord): void {
    deadlines.set(deferralOf(buildId(build)), build.state.options.deferUntil ?? 0, longestDeferralMs, () => {
      queue.due(build);
      woken();
    });
  }

  function follow(category: Category, id: string, event: DroverEvent): void {
    if (category !== 'build') return;
    if (event.type === 'BuildRetryScheduled') armRetry(queue.build(id) as BuildRecord);
    else if (event.type === 'BuildSubmitted' || event.type === 'BuildDeferred') {
      const build = queue.build(id);
      if (build?.deferred) armDeferral(build);
      else if (event.type === 'BuildDeferred') deadlines.clear(deferralOf(id));
    } else if (event.type === 'BuildAllocated') deadlines.clear(deferralOf(id));
    else if (endEvents.has(event.type)) {
      deadlines.clear(retryOf(id));
      deadlines.clear(deferralOf(id));
    }
  }

  writer.listen(follow);
  for (const build of queue.resting()) armRetry(build);
  for (const build of queue.deferred()) armDeferral(build);
}
