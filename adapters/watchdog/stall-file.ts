import { rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import * as z from 'zod';
import { type Stall, workKinds } from '../../coordinator/ports/work.ts';
import { syncDirectory } from '../data-dir/durable.ts';
import { readIfThere } from '../data-dir/secret-file.ts';

const stallSchema = z.object({
  at: z.number(),
  seconds: z.number(),
  work: z.object({ what: z.enum(workKinds), name: z.string() }).optional(),
  stack: z.array(z.string()),
});

/** `undefined` where there is none. One that cannot be read says no more than that there was one. */
export async function readStall(file: string): Promise<Stall | undefined> {
  const text = await readIfThere(file);
  if (text === undefined) return undefined;
  try {
    return stallSchema.parse(JSON.parse(text));
  } catch {
    return { at: 0, seconds: 0, stack: [] };
  }
}

/** It has been dealt with: it stays beside, for people, until there is another. */
export async function settleStall(file: string): Promise<void> {
  await rename(file, file.replace(/(\.json)?$/, '.last$1'));
  await syncDirectory(dirname(file));
}
