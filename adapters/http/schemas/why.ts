import * as z from 'zod';
import type { WaitedInput, Why } from '../../../coordinator/application.ts';
import { inputStates } from '../../../projections/why.ts';
import { instant, text } from './basics.ts';
import { agentObstacles, blocker, cancellation, lastFailure, loss, remedy } from './blockers.ts';
import { standing } from './builds.ts';

const waitedInput: z.ZodType<WaitedInput> = z.object({
  item: text,
  state: z.enum(inputStates),
  derivation: text.exactOptional(),
  build: text.exactOptional(),
  missing: z.array(text).exactOptional(),
  lost: loss.exactOptional(),
});

const whyFields = { build: text, state: text, standing: standing.exactOptional(), summary: text };
const until = text.describe('the event that ends the wait');

export const why: z.ZodType<Why> = z.discriminatedUnion('reason', [
  z.object({
    ...whyFields,
    reason: z.literal('ended'),
    at: instant.exactOptional(),
    failure: lastFailure.exactOptional(),
    canceled: cancellation.exactOptional(),
    remedy: remedy.exactOptional(),
  }),
  z.object({
    ...whyFields,
    reason: z.literal('running'),
    agent: text,
    attempt: z.int(),
    leaseUntil: instant.exactOptional(),
    wait: z.object({ for: z.enum(['inputs', 'upload']), reason: text }).exactOptional(),
    until,
  }),
  z.object({
    ...whyFields,
    reason: z.literal('deferred'),
    notBefore: instant,
    deferral: z
      .object({
        by: text,
        name: text.exactOptional(),
        at: instant,
        reason: text.exactOptional(),
        submission: text
          .describe('it was to be built later still, and this one, which needs it, is deferred to then')
          .exactOptional(),
      })
      .describe('id and name of the token that deferred it, when, and what was said')
      .exactOptional(),
    until,
  }),
  z.object({
    ...whyFields,
    reason: z.literal('back-off'),
    notBefore: instant,
    failure: lastFailure.exactOptional(),
    until,
  }),
  z.object({
    ...whyFields,
    reason: z.literal('inputs'),
    inputs: z.array(waitedInput),
    total: z.int(),
    blockers: z.array(blocker),
    blockerTotal: z.int().describe('how many there are, where not all are named').exactOptional(),
    more: z.boolean().exactOptional(),
    until,
  }),
  z.object({ ...whyFields, reason: z.literal('text-lost'), derivation: text, blockers: z.array(blocker), until }),
  z.object({
    ...whyFields,
    reason: z.literal('no-agent'),
    system: text,
    features: z.array(text),
    storeDir: text.exactOptional(),
    agents: agentObstacles,
    blockers: z.array(blocker).describe('none where an agent will take it by itself'),
    until,
  }),
  z.object({ ...whyFields, reason: z.literal('no-slot'), agents: z.array(text), ahead: z.int(), until }),
]);
