import * as z from 'zod';
import type { EarlierBuildRow } from '../../../coordinator/ports/views.ts';
import { earlierOutcomes } from '../../../domain/history/events.ts';
import { instant, text } from './basics.ts';

export const earlierBuildRow: z.ZodType<EarlierBuildRow> = z
  .object({
    source: text.describe('the coordinator that told of it, as the import calls it'),
    id: text.describe('what it is called there'),
    derivation: text,
    outcome: z.enum(earlierOutcomes).describe('by the word of the source; nothing here rests on it'),
    system: text.nullable(),
    agent: text.nullable(),
    submittedAt: instant.nullable(),
    startedAt: instant.nullable(),
    endedAt: instant.nullable(),
    message: text.nullable().describe('what it failed with'),
    recordedAt: instant.describe('when it was taken over'),
  })
  .describe('a build that ended at another coordinator');
