import * as z from 'zod';
import { text } from './basics.ts';

/** A place in the log. */
export const place = z.object({
  position: text,
  at: z.iso
    .datetime()
    .nullable()
    .describe(
      'when its event happened; `null` on EventStoreDB while the views have not come so far, until the log was read up to there',
    ),
});

/** Where the log begins and ends. */
export const bounds = z.object({
  first: place,
  last: place,
  numbered: z.boolean().describe('whether positions are 1, 2, 3 … in 16 digits, without gaps'),
});

const progress = {
  read: z.int().describe('events that were read'),
  total: z.int().describe('events that are to be read; absent where the engine does not number them').exactOptional(),
  error: text.describe('why it came to nothing; who asks again has it begun anew').exactOptional(),
};

/** How far a moment is. */
export const moment = z.object({
  ...place.shape,
  ready: z.boolean(),
  ...progress,
  events: z.int().describe('events of the log up to there, once it is ready').exactOptional(),
});

/** How far something is that is not ready. */
export const reading = z.object({ ready: z.literal(false), ...progress });
