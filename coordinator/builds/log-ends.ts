import { type BuildState, endEvents, isEnded, liveAgent, nextAttempt } from '../../domain/build/state.ts';
import type { Core } from '../core.ts';

/**
 * Whether nothing is taken for the log of an attempt any more: its build has ended, or it was reported as failed. One that was taken
 * back from its agent still grows, as what the agent makes of it counts.
 */
export function isLogOver(state: BuildState, attempt: number): boolean {
  if (isEnded(state.status)) return true;
  const isLive = liveAgent(state) !== undefined && state.attempt === attempt;
  return !isLive && state.over.includes(attempt);
}

/** Finishes the logs of a build that has ended, for those who follow them: of an agent that is gone no report will ever come. */
export function endLogs({ farm, writer, logs, logger }: Pick<Core, 'farm' | 'writer' | 'logs' | 'logger'>): void {
  writer.listen((category, id, event) => {
    if (category !== 'build' || !endEvents.has(event.type)) return;
    const state = farm.queue.build(id)?.state;
    if (state === undefined || !isEnded(state.status)) return;
    // The one whose report this is ends with it.
    const reported = event.type === 'BuildSucceeded' || event.type === 'BuildFailed' ? event.data.attempt : 0;
    for (let attempt = 1; attempt < nextAttempt(state); attempt++) {
      if (attempt === reported) continue;
      writer.afterwards(() => {
        logs.finish(id, attempt).catch((error: unknown) => {
          logger.error({ err: error, build: id, attempt }, 'the log of an attempt could not be finished');
        });
      });
    }
  });
}
