import * as z from 'zod';
import type { Blocker } from '../../../coordinator/application.ts';
import { failureCauses } from '../../../domain/build/events.ts';
import { endClasses } from '../../../domain/build/failure-class.ts';
import { blockingCauses } from '../../../projections/blocked.ts';
import { obstacleCodes } from '../../../projections/obstacles.ts';
import { instant, text } from './basics.ts';

export const loss = z
  .object({
    at: instant,
    how: z.enum(['deleted', 'missing']),
    reason: text,
    by: text.exactOptional(),
    name: text.exactOptional(),
  })
  .describe(
    'when and why a source that was there went, and by whom: the id of a token and its name, or what in the coordinator',
  );

/** The attempt that failed last. */
export const lastFailure = z.object({
  attempt: z.int(),
  class: z.enum(endClasses),
  message: text,
  agent: text,
  cause: z.enum(failureCauses).exactOptional(),
});

export const cancellation = z
  .object({
    by: text,
    name: text.exactOptional(),
    at: instant,
    reason: text.exactOptional(),
    unwanted: z.literal(true).describe('nobody cancelled this one: what wanted it was').exactOptional(),
  })
  .describe('id and name of the token that cancelled it, when, and what was said');

export const agentObstacles = z.array(z.object({ name: text, code: z.enum(obstacleCodes), obstacle: text }));
export const remedy = text.describe('what would set it going: a command where there is one');

export const blocker: z.ZodType<Blocker> = z.object({
  item: text,
  state: z.enum(blockingCauses),
  derivation: text.exactOptional(),
  build: text.exactOptional(),
  failure: lastFailure.exactOptional(),
  canceled: cancellation.exactOptional(),
  at: instant.exactOptional(),
  lost: loss.exactOptional(),
  system: text.exactOptional(),
  features: z.array(text).exactOptional(),
  storeDir: text.exactOptional(),
  agents: agentObstacles.exactOptional(),
  waiting: z.int().describe('how many of the builds wait for it'),
  blocks: z.int().describe('how many unfinished builds of the whole farm do').exactOptional(),
  more: z.boolean().describe('there are more than that').exactOptional(),
  remedy,
});

export const blockageFields = {
  unfinished: z.int().describe('builds that have not ended, those that it joined included'),
  blocked: z.int().describe('those of them that nothing under way can set going'),
  agentless: z.int().describe('those of the blocked that nothing but an agent is lacking for'),
  blockers: z.array(blocker).describe('what they wait for, that which most wait for first; at most 20'),
  total: z.int().describe('how many blockers there are'),
  more: z.boolean().describe('there may be more of them').exactOptional(),
};
