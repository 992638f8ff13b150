import * as z from 'zod';
import type { FarmStatus } from '../../../coordinator/application.ts';
import { blockingCauses } from '../../../projections/blocked.ts';
import { counts, instant, text } from './basics.ts';

export const farmStatus: z.ZodType<FarmStatus> = z.object({
  builds: counts(
    'blocked',
    'waiting',
    'ready',
    'backoff',
    'deferred',
    'allocated',
    'running',
    'succeeded',
    'failed',
    'canceled',
  ).describe('every build is in one of these'),
  blocked: counts(...blockingCauses).describe(
    'blocked builds by what blocks them at the root; one that several things block is in several',
  ) as z.ZodType<FarmStatus['blocked']>,
  ready: z
    .record(text, z.int())
    .describe('ready builds per system; beyond those of agents 24 are named, and the rest are `others`'),
  unattended: z
    .record(text, z.int())
    .describe('builds that would be ready, did any agent take them, named likewise; they are blocked'),
  derivations: z.int(),
  items: z.int().describe('in the pool'),
  upstreamItems: z.int().describe('those that only upstreams have, as far as is known').exactOptional(),
  agents: counts('connected', 'registered', 'slots', 'busy', 'excess', 'away'),
  position: z.union([text, z.undefined()]),
  pendingCommits: z.int(),
  uploads: counts('waiting', 'refused'),
  verification: z
    .object({
      state: z.enum(['running', 'waiting']),
      begun: instant.exactOptional(),
      ended: instant.exactOptional(),
      next: instant.exactOptional(),
      ...counts('checked', 'total', 'bytes', 'wrong').shape,
    })
    .describe('how far the verification is that goes on by itself')
    .exactOptional(),
});
