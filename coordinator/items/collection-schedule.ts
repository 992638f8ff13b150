import type { Core } from '../core.ts';
import type { Deadlines } from '../deadlines.ts';
import { isDroverError } from '../errors.ts';
import type { Collecting } from './collecting.ts';

export interface CollectionSchedule {
  /** When the next collection comes, milliseconds since the Unix epoch; `undefined` where none is scheduled. */
  next(): number | undefined;
  /** A collection that is under way ends. */
  stop(): void;
}

const dayMs = 24 * 3_600_000;
const name = 'collection';

/** The next time that it is so many milliseconds after midnight in UTC. */
export function nextDaily(dailyAtMs: number, now: number): number {
  const today = now - (now % dayMs) + dailyAtMs;
  return today > now ? today : today + dayMs;
}

/**
 * Collects once a day, at a time of the day in UTC. A day in which nobody was up at that time is left out: what comes a day later is
 * as good.
 */
export function startCollectionSchedule(core: Core, { collect }: Collecting, deadlines: Deadlines): CollectionSchedule {
  const { policy, runtime, logger, writer } = core;
  const { dailyAtMs, perTurn: _, ...wish } = policy.collection;
  const ended = new AbortController();

  async function run(): Promise<void> {
    const withSignal = { ...wish, signal: ended.signal };
    // What it came to is logged by whoever does it.
    for await (const _ of collect({ id: 'collections', scope: 'admin' }, withSignal));
  }

  function arm(): void {
    if (dailyAtMs === undefined) return;
    deadlines.set(name, nextDaily(dailyAtMs, runtime.clock.now()), dayMs, () => {
      arm();
      run().catch((error: Error) => {
        if (ended.signal.aborted || writer.failure !== undefined) return;
        if (isDroverError(error)) logger.warn(`no collection: ${error.message}`);
        else logger.error({ err: error }, 'the collection failed');
      });
    });
  }
  arm();

  return {
    next: () => deadlines.dueAt(name),
    stop: () => ended.abort(),
  };
}
