import { chmod, lstat, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

const prefix = 'drover-demo-';

/** A new folder for everything that the demo writes. */
export interface Workspace {
  readonly path: string;
  file(...names: string[]): string;
}

export async function createWorkspace(): Promise<Workspace> {
  return workspaceAt(await mkdtemp(join(tmpdir(), prefix)));
}

/** One that is there already. */
export const workspaceAt = (path: string): Workspace => ({ path, file: (...names) => join(path, ...names) });

/** Whether a folder is one that {@link createWorkspace} has made, by its name. */
export function isWorkspace(path: string): boolean {
  return basename(path).startsWith(prefix);
}

export async function removeWorkspace(path: string): Promise<void> {
  // Folders in a store are read-only, which stops everybody but root.
  if (process.getuid?.() !== 0) await makeWritable(path);
  await rm(path, { recursive: true, force: true, maxRetries: 3 });
}

async function makeWritable(path: string): Promise<void> {
  if (!(await lstat(path)).isDirectory()) return;
  await chmod(path, 0o700);
  for (const name of await readdir(path)) await makeWritable(join(path, name));
}
