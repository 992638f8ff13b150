import * as z from 'zod';
import type { DeletionReport, ItemWhy } from '../../../coordinator/application.ts';
import type { ItemRow } from '../../../coordinator/ports/views.ts';
import { storeItem } from '../../../domain/item/events.ts';
import { keepReasons } from '../../../projections/kept.ts';
import { instant, text } from './basics.ts';

export const itemRow: z.ZodType<ItemRow> = storeItem.extend({
  addedAt: instant,
  addedBy: text,
  addedByName: text.describe('what that token is called').exactOptional(),
  deriver: storeItem.shape.path.exactOptional(),
  ca: text.exactOptional(),
  unpublished: z
    .object({ at: instant, until: instant, by: text, byName: text.exactOptional(), reason: text })
    .describe('It is being deleted: nobody gets it any more, and its bytes go then.')
    .exactOptional(),
}) as unknown as z.ZodType<ItemRow>;

export const itemWhy: z.ZodType<ItemWhy> = z.object({
  item: text,
  state: z.enum(['present', 'unpublished', 'gone']),
  reason: z.enum(keepReasons).describe('what keeps it; absent where nothing does').exactOptional(),
  chain: z.array(text).describe('From what is kept for itself down to the item, each referring to the next.'),
  root: text.exactOptional(),
  build: text.exactOptional(),
  until: instant.describe('until when the reason holds, or when the bytes of what is unpublished go').exactOptional(),
  nextCollection: instant.describe('when the next collection of the schedule comes').exactOptional(),
  summary: text,
});

export const deletionReport: z.ZodType<DeletionReport> = z.object({
  items: z
    .array(
      z.object({ item: text, state: z.enum(['present', 'unpublished', 'deleted']), until: instant.exactOptional() }),
    )
    .describe('All that were named, as they are now.'),
  needed: z.int().describe('how many of them somebody needs'),
  needs: z
    .array(
      z.object({
        item: text,
        by: z.array(
          z.object({
            kind: z.enum(['root', 'build', 'upload', 'item']),
            root: text.exactOptional(),
            build: text.exactOptional(),
            derivation: text.exactOptional(),
            item: text.exactOptional(),
            text,
          }),
        ),
      }),
    )
    .describe('The first hundred of these, each with some of who needs it.'),
  rebuilds: z.int().describe('how many derivations are built again, as unfinished builds or roots need what they make'),
  derivations: z.array(text).describe('The first hundred of these.'),
  sources: z.array(text).describe('Needed, and no known derivation makes them: builds wait until somebody sends them.'),
  freed: z.int().describe('bytes of files that go'),
}) as unknown as z.ZodType<DeletionReport>;
