import * as z from 'zod';
import type { UpstreamProbe, UpstreamStatus } from '../../../coordinator/application.ts';
import { counts, text } from './basics.ts';

export const upstreamStatus: z.ZodType<UpstreamStatus> = z.object({
  name: text,
  url: text,
  priority: z.int().describe('the lowest is asked first'),
  mode: z
    .enum(['proxy', 'direct'])
    .describe(
      'how agents get what it has: through the coordinator, or themselves, and through the coordinator where that fails',
    ),
  publicKeys: z.array(text),
  state: z
    .enum(['usable', 'resting'])
    .describe('`resting`: it gave no answer some times in a row, and is left alone for a while'),
  restsSeconds: z.int().describe('for how long still').exactOptional(),
  error: text.describe('of the last failure, since the last answer').exactOptional(),
  items: z.int().describe('store items that only it has, as far as is known'),
  asked: counts('found', 'absent', 'rejected', 'failed').describe(
    'what it was asked since the coordinator started: how often it had it, had it not, was not believed, gave no answer',
  ),
  rejection: text.describe('why it was not believed, the last time').exactOptional(),
  ttlSeconds: z.int(),
  negativeTtlSeconds: z.int(),
});

export const upstreamProbe: z.ZodType<UpstreamProbe> = z.object({
  name: text,
  url: text,
  ok: z.boolean().describe('whether it answers, as a cache of the right store'),
  problem: text.exactOptional(),
  milliseconds: z.int().describe('how long its nix-cache-info took'),
  items: z.array(
    z.object({
      path: text,
      answer: z.enum(['found', 'doubted', 'absent', 'unknown']),
      narHash: text.exactOptional(),
      narSize: z.int().exactOptional(),
      problem: text.describe('why it is not believed, or gave no answer').exactOptional(),
    }),
  ),
});
