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
    const now = runtime.clock.now();
    const today = now - (now % dayMs) + dailyAtMs;
    deadlines.set(name, today > now ? today : today + dayMs, dayMs, () => {
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
