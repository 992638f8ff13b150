import * as z from 'zod';
import type { EndedMinute, LoadMinute } from '../../../coordinator/application.ts';
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

const load = counts('queued', 'building').shape;
const loadMinute: z.ZodType<LoadMinute> = z.object({
  at: instant.describe('when the minute began'),
  systems: z.record(text, z.object(load)).describe('systems of which something changed in it, as they were at its end'),
});

const bytes = z.number().describe('bytes');
const room = z.object({
  poolBytes: bytes.describe('bytes of the files of all items'),
  logBytes: bytes.describe('bytes of the files of the log, where it is in files of that machine').exactOptional(),
  disks: z
    .array(
      z.object({
        name: z.enum(['pool', 'log', 'pool and log']).describe('what is on it'),
        bytes,
        freeBytes: bytes,
        keptBytes: bytes.describe('bytes that are left free by all but the log'),
      }),
    )
    .describe('disks of the coordinator, as they were some seconds ago; none where nobody has looked yet'),
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
  systems: z
    .array(z.object({ name: text, ...load }))
    .describe('builds by system: queued, whatever they wait for, and with agents; beyond 24 systems, `others`'),
  loads: z
    .array(loadMinute)
    .describe('the same in the last three hours, by the minute; the first is how it was before them'),
  room,
});
