import { type BuildRecord, buildId } from '../projections/queue.ts';
import type { Core } from './core.ts';
import type { Deadlines } from './deadlines.ts';

/** Wakes builds when their back-off has passed. */
export function startRetries({ farm, writer }: Core, deadlines: Deadlines, woken: () => void): void {
  function arm(build: BuildRecord): void {
    deadlines.set(`retry ${buildId(build)}`, build.state.notBefore, () => {
      farm.queue.wake(build);
      woken();
    });
  }
  writer.listen((_, id, event) => {
    if (event.type === 'BuildRetryScheduled') arm(farm.queue.build(id) as BuildRecord);
    else if (event.type === 'BuildCanceled' || event.type === 'BuildSucceeded') deadlines.clear(`retry ${id}`);
  });
  for (const build of farm.queue.resting()) arm(build);
}
