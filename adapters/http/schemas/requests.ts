import * as z from 'zod';
import { isoTime } from '../iso-time.ts';
import { text } from './basics.ts';
import { wholeNumber } from './query-numbers.ts';

/** A page of a list. `next` is given back as `after`. */
export function page<Row>(row: z.ZodType<Row>): z.ZodType<{ readonly rows: readonly Row[]; readonly next?: string }> {
  return z.object({ rows: z.array(row), next: text.exactOptional() });
}

/** Query fields of every list. */
export const paging = {
  limit: wholeNumber(1, 1000).prefault(100),
  after: z.string().max(1024).optional(),
};

/** A field that may be given several times, or once with commas. One that names nothing is a slip: it would mean all to some routes, none to others. */
export const many = z
  .union([z.string().max(4096), z.array(z.string().max(4096)).max(64)])
  .transform((given) =>
    (typeof given === 'string' ? [given] : given).flatMap((part) => part.split(',')).filter((part) => part !== ''),
  )
  .refine((parts) => parts.length > 0, { error: 'expected at least one', abort: true });

/** For `superRefine`: between two times in the wrong order lies nothing, which is no answer to what was meant. */
export function checkSpan(
  { since, until }: { readonly since?: number | undefined; readonly until?: number | undefined },
  context: z.core.$RefinementCtx,
): void {
  if (since === undefined || until === undefined || since <= until) return;
  const message = `expected a time that is not before ${isoTime(since)} (since), got ${isoTime(until)}`;
  context.addIssue({ code: 'custom', path: ['until'], message });
}

export const flag = z.enum(['true', 'false']).transform((given) => given === 'true');

/** An answer without a body. */
export const nothing = z.undefined().describe('Done.');
