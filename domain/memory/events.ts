import { z } from 'zod';
import { defineEvent, type EventOf } from '../event.ts';

/** Most builds that can be said to be remembered. */
export const mostRememberable = 2 ** 26;

export const BuildsRemembered = defineEvent(
  'BuildsRemembered',
  'From here on the coordinator forgets what has ended once that many builds have ended after it, and store items that are gone and of no use likewise: what it needs again, it adds to the log again. Before the first of these events nothing is forgotten.',
  z.object({ builds: z.int().min(1).max(mostRememberable) }),
);

export const memoryEvents = [BuildsRemembered] as const;
export type MemoryEvent = EventOf<(typeof memoryEvents)[number]>;
