import { type BuildRecord, buildId } from '../projections/queue.ts';
import type { Core } from './core.ts';
import type { Deadlines } from './deadlines.ts';

const ends: ReadonlySet<string> = new Set(['BuildCanceled', 'BuildSucceeded', 'BuildSatisfied']);

/** Names the deadline of a build's back-off. */
export const retryOf = (build: string): string => `retry ${build}`;

/** Wakes builds when their back-off has passed. */
export function startRetries({ farm, writer, policy }: Core, deadlines: Deadlines, woken: () => void): void {
  const { builder, infrastructure } = policy.retry;
  const longestMs = Math.max(builder.maxSeconds, infrastructure.maxSeconds) * 1000;

  function arm(build: BuildRecord): void {
    deadlines.set(retryOf(buildId(build)), build.state.notBefore, longestMs, () => {
      farm.queue.wake(build);
      woken();
    });
  }
  writer.listen((_, id, event) => {
    if (event.type === 'BuildRetryScheduled') arm(farm.queue.build(id) as BuildRecord);
    else if (ends.has(event.type)) deadlines.clear(retryOf(id));
  });
  for (const build of farm.queue.resting()) arm(build);
}
