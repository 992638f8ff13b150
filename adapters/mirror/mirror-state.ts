import { existsSync } from 'node:fs';
import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { writeFileDurably } from '../data-dir/durable.ts';
import { FolderError } from './folder-error.ts';
import { refuseEndless } from './regular-file.ts';

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
  /** NARs that no narinfo names any more, and until when they stay for clients that have one, milliseconds since the Unix epoch. */
  leaving: z.record(z.string(), z.number()).optional(),
});
export type MirrorState = z.infer<typeof mirrorState>;

/** Its file in the folder. */
export const mirrorStateName = '.drover-mirror.json';

const fileOf = (folder: string): string => join(folder, mirrorStateName);

/** Whether a mirror was in the folder before; a state that was damaged says so too. */
export function hasMirrorState(folder: string): boolean {
  return existsSync(fileOf(folder)) || existsSync(`${fileOf(folder)}.damaged`);
}

/**
 * The state in a folder; that of a new one where there is none, or none that can be read: that is set aside, and `trouble` told, with the
 * consequence.
 *
 * @throws Error if it is that of a newer version
 */
export async function readMirrorState(
  folder: string,
  consequence: string,
  trouble: (message: string) => void,
): Promise<MirrorState> {
  const file = fileOf(folder);
  const none: MirrorState = { version: 1, waiting: [] };
  await refuseEndless(file);
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return none;
  const { value } = parsed(text);
  const version = (value as { version?: unknown } | undefined)?.version;
  if (typeof version === 'number' && version > 1)
    throw new FolderError(`${file}: expected version 1, got ${version}: a newer Drover has written to this folder`);
  const state = mirrorState.safeParse(value);
  if (state.success) return state.data;
  await rename(file, `${file}.damaged`);
  trouble(`${file} is damaged and was set aside as ${mirrorStateName}.damaged: ${consequence}`);
  return none;
}

function parsed(text: string): { readonly value: unknown } {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return { value: undefined };
  }
}

export function writeMirrorState(folder: string, state: MirrorState): Promise<void> {
  return writeFileDurably(fileOf(folder), `${JSON.stringify(state)}\n`, 0o644);
}
