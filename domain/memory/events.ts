import * as z from 'zod';
import { defineEvent, type EventOf } from '../event.ts';

/** Most builds that can be said to be remembered. */
export const mostRememberable = 2 ** 26;

/** How fast a coordinator of this version forgets: 64 things after each event (1), or as many more as there are more to forget (2). */
export const newestPace = 2;

export const BuildsRemembered = defineEvent(
  'BuildsRemembered',
  'From here on the coordinator forgets what has ended once that many builds have ended after it, and store items that are gone and of no use likewise: what it needs again, it adds to the log again. Before the first of these events nothing is forgotten.',
  z.object({
    builds: z.int().min(1).max(mostRememberable),
    pace: z
      .int()
      .min(1)
      .describe('How fast: 1, as if absent, a little after each event; 2, as fast as there is something to forget.')
      .optional(),
  }),
);

export const memoryEvents = [BuildsRemembered] as const;
export type MemoryEvent = EventOf<(typeof memoryEvents)[number]>;
