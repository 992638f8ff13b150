import * as z from 'zod';
import type { BuildHistory, PhaseSums, SubmissionTimes } from '../../../coordinator/application.ts';
import { phases } from '../../../projections/timeline.ts';
import { instant, ms, text } from './basics.ts';
import { earlierBuildRow } from './earlier-builds.ts';

export const phaseSums: z.ZodType<PhaseSums> = z
  .object(
    Object.fromEntries(phases.map((phase) => [phase, ms.exactOptional()])) as Record<
      (typeof phases)[number],
      z.ZodExactOptional<typeof ms>
    >,
  )
  .describe('milliseconds in each phase; one that took no time is absent');

export const submissionTimes: z.ZodType<SubmissionTimes> = z.object({
  builds: z.int().describe('those that it joined included'),
  phases: phaseSums,
  untold: z
    .int()
    .describe('attempts that have ended without their agents saying how long they fetched: that is in `allocated`'),
  criticalPath: z.object({
    from: instant,
    to: instant,
    ended: z.boolean().describe('whether all builds have; otherwise it is the path so far'),
    phases: phaseSums,
    builds: z.int().describe('on the path; `steps` has the last 100 at most'),
    steps: z.array(
      z.object({
        build: text,
        derivation: text,
        from: instant,
        to: instant,
        phases: phaseSums,
        item: text.describe('the input that it waited for last').exactOptional(),
      }),
    ),
  }),
  advice: z
    .array(
      z.object({
        kind: z.enum([...phases, 'retries', 'lost']),
        ms: ms.describe('what it would have saved at most'),
        system: text.exactOptional(),
        features: z.array(text).exactOptional(),
        storeDir: text.exactOptional(),
        cause: text.exactOptional(),
        builds: z.int().describe('of the path, that it is about'),
      }),
    )
    .describe('what would have made it faster'),
});

const phaseName = z.enum(phases);

export const buildHistory: z.ZodType<BuildHistory> = z.object({
  build: text,
  derivation: text,
  state: text,
  from: instant.describe('when it was submitted'),
  to: instant.describe('when it ended, or now'),
  phases: phaseSums,
  entries: z.array(
    z.object({
      kind: z.enum(['event', 'wait', 'hook']),
      at: instant,
      since: ms.describe('milliseconds since the entry before'),
      position: text.exactOptional(),
      event: text.describe('id of the event; for a hook, of that which it was for').exactOptional(),
      type: text.exactOptional(),
      actor: text.exactOptional(),
      summary: text,
      attempt: z.int().exactOptional(),
      log: text.describe('where the log of the attempt is').exactOptional(),
      phases: phaseSums.exactOptional(),
      unknown: z.array(phaseName).describe('phases that the agent did not tell').exactOptional(),
      wait: phaseName.exactOptional(),
      ms: ms.describe('how long it waited').exactOptional(),
      inputs: z
        .array(z.object({ item: text, at: instant.exactOptional(), build: text.exactOptional() }))
        .describe('that it waited for, the last to come first; `total` counts all')
        .exactOptional(),
      total: z.int().exactOptional(),
      hook: text.exactOptional(),
      result: z.enum(['delivered', 'settled', 'skipped', 'parked', 'failing', 'owed']).exactOptional(),
    }),
  ),
  next: z.int().describe('to be given as `after`, where the build has more events').exactOptional(),
  earlier: z.array(earlierBuildRow).describe('of the same derivation, 20 at most').exactOptional(),
  cut: z.array(text).describe('what was left out'),
});
