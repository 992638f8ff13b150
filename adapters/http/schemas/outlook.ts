import * as z from 'zod';
import type { Outlook } from '../../../coordinator/application.ts';
import { outlookStates } from '../../../projections/outlook.ts';
import { counts, instant, ms, text } from './basics.ts';

export const submissionOutlook: z.ZodType<Outlook> = z.object({
  at: instant.describe('when that was so'),
  counts: counts(...outlookStates, 'succeeded', 'failed', 'canceled').describe(
    'its builds, and those that it joined; `fetching`: an agent has it and does not build yet',
  ),
  nodes: z
    .array(
      z.object({
        build: text,
        derivation: text,
        state: z.enum(outlookStates),
        agent: text.exactOptional(),
        attempt: z.int().exactOptional(),
        since: instant.describe('when its attempt began').exactOptional(),
        before: ms
          .describe('milliseconds that others of its name and system took before, in the median of the last five')
          .exactOptional(),
        lacks: z.int().describe('inputs that are not there'),
        parent: text
          .describe('of the builds that wait for it, the one with the longest way to go, where it is among these')
          .exactOptional(),
      }),
    )
    .describe(
      'what runs, the most critical first, what could, and upwards what waits for it; not all, where there is much',
    ),
  estimate: z.object({
    endsAt: instant.describe('absent where nothing can be said').exactOptional(),
    builds: z.int().describe('that are in it'),
    unknown: z
      .int()
      .describe('of them, those whose like was never built: they are taken to take as long as others in the mean'),
    without: z.int().describe('that are not in it: they are blocked, or no agent takes them'),
  }),
});
