import * as z from 'zod';
import type { RootDetail, RootStatus } from '../../../coordinator/application.ts';
import { instant, text } from './basics.ts';

export const rootStatus: z.ZodType<RootStatus> = z.object({
  name: text,
  source: z.enum(['api', 'submission', 'config']).describe('who keeps it'),
  targets: z.int().describe('how many store items it names'),
  unavailable: z.int().describe('how many of them are not available'),
  addedAt: instant.describe('when something was added last'),
  addedBy: text,
  until: instant.describe('when something of it expires first').exactOptional(),
});

export const rootDetail: z.ZodType<RootDetail> = z.object({
  ...(rootStatus as unknown as z.ZodObject).shape,
  kept: z.array(
    z.object({
      item: text,
      state: z.enum(['available', 'unpublished', 'unavailable']),
      until: instant.exactOptional(),
    }),
  ),
}) as unknown as z.ZodType<RootDetail>;
