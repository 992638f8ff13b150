import { z } from 'zod';
import { agentStatus } from './agents.ts';
import { text } from './basics.ts';
import { buildRow } from './builds.ts';
import { hookStatus } from './hooks.ts';
import { farmStatus } from './status.ts';
import { submissionRow } from './submissions.ts';

/** What is looked at first, as of one moment or a little later. */
export const overview = z.object({
  status: farmStatus,
  unready: z.array(text).describe('why the coordinator takes no writes; empty if it does'),
  warnings: z.array(text).describe('what will not go well for ever'),
  agents: z.array(agentStatus),
  hooks: z.array(hookStatus),
  building: z.array(buildRow).describe('those builds, the newest first'),
  submissions: z.array(submissionRow).describe('the newest'),
});
