import type { BuildEvent } from '../domain/build/events.ts';
import { createMemory, type Memory } from './memory.ts';

/** How many builds ended in a minute in which some did, by how; those that were cancelled are not in it. */
export interface EndedMinute {
  /** When the minute began, milliseconds since the Unix epoch. */
  readonly at: number;
  readonly succeeded: number;
  readonly failed: number;
}

/** What ended lately, by the minute. */
export interface Ended {
  /** The minutes of the three hours before an instant, in order. */
  before(now: number): EndedMinute[];
  apply(event: BuildEvent, at: number): void;
}

const minute = 60_000;
const kept = 180 * minute;

export function createEnded(memory: Memory = createMemory()): Ended {
  /** By the minute since the epoch. */
  const minutes = memory.map<number, { succeeded: number; failed: number }>('minutes');
  return {
    before(now) {
      const found: EndedMinute[] = [];
      for (const [key, counts] of minutes) if (key * minute > now - kept) found.push({ at: key * minute, ...counts });
      // A clock may have been set back.
      return found.sort((a, b) => a.at - b.at);
    },
    apply({ type }, at) {
      const how = type === 'BuildFailed' ? 'failed' : 'succeeded';
      if (how === 'succeeded' && type !== 'BuildSucceeded' && type !== 'BuildSatisfied') return;
      const key = Math.floor(at / minute);
      const known = minutes.get(key);
      if (known !== undefined) return void known[how]++;
      minutes.set(key, { succeeded: 0, failed: 0, [how]: 1 });
      for (const old of minutes.keys()) if (old * minute <= at - kept) minutes.delete(old);
    },
  };
}
