import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileDurably } from '../data-dir/durable.ts';

/** How far a mirror is. */
const mirrorState = z.strictObject({
  version: z.literal(1),
  /** The log that it follows. */
  source: z.string().optional(),
  /** Position of the last event whose consequences are in the folder. */
  position: z.string().optional(),
  /** Its id: the log may have been cut since, and then has another event there, or none. */
  event: z.string().optional(),
  /** Base names of items that are wanted and can't be published yet. */
  waiting: z.array(z.string()),
});
export type MirrorState = z.infer<typeof mirrorState>;

/** Its file in the folder. */
export const mirrorStateName = '.drover-mirror.json';

const fileOf = (folder: string): string => join(folder, mirrorStateName);

/** @throws Error if the file is there and is none of ours */
export async function readMirrorState(folder: string): Promise<MirrorState> {
  const file = fileOf(folder);
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return { version: 1, waiting: [] };
  try {
    return mirrorState.parse(JSON.parse(text));
  } catch (cause) {
    throw new Error(`${file}: expected the state of a mirror; remove it, and all is compared again`, { cause });
  }
}

export function writeMirrorState(folder: string, state: MirrorState): Promise<void> {
  return writeFileDurably(fileOf(folder), `${JSON.stringify(state)}\n`, 0o644);
}
