import { z } from 'zod';
import type { EndedMinute } from '../../../coordinator/application.ts';
import { agentStatus } from './agents.ts';
import { counts, instant, text } from './basics.ts';
import { buildRow } from './builds.ts';
import { hookStatus } from './hooks.ts';
import { farmStatus } from './status.ts';
import { submissionRow } from './submissions.ts';

const endedMinute: z.ZodType<EndedMinute> = z.object({
  at: instant.describe('when the minute began'),
  ...counts('succeeded', 'failed').shape,
});

/** What is looked at first, as of one moment or a little later. */
export const overview = z.object({
  status: farmStatus,
  unready: z.array(text).describe('why the coordinator takes no writes; empty if it does'),
  warnings: z.array(text).describe('what will not go well for ever'),
  agents: z.array(agentStatus),
  hooks: z.array(hookStatus),
  building: z.array(buildRow).describe('those builds, the newest first'),
  submissions: z.array(submissionRow).describe('the newest'),
  rate: z.number().describe('events a second that the log has grown by over the last ten'),
  ended: z
    .array(endedMinute)
    .describe('builds that ended in the last three hours, by the minute; minutes without any are left out'),
});
