import * as z from 'zod';
import type { UploadStatus } from '../../../coordinator/ports/pool.ts';
import { identifier } from '../../../domain/event.ts';
import { text } from './basics.ts';

export const uploadStatus: z.ZodType<UploadStatus> = z.object({
  id: text,
  owner: text,
  path: text,
  offset: z.int().describe('bytes that are safe; the next part starts here'),
  fileSize: z.int(),
  finished: z.boolean(),
});

export const uploadParams = z.object({ upload: identifier });
