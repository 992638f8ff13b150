import { createHash } from 'node:crypto';
import { lstat, mkdir, readdir, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BuilderError } from '../../../agent/ports/builder.ts';
import { killAndWait, rootedIn } from '../daemon/process-tree.ts';
import { removeTree } from './remove-tree.ts';

/**
 * The folders in which daemons of ours build on a chroot store. Nix removes them at the end of a build, unless its daemon was
 * killed, or they are deeper than it can go.
 */
export interface BuildFolders {
  /** A folder for one daemon, for its `TMPDIR`. */
  make(): Promise<string>;
  /** Removes it, with all that the daemon of that process id has left elsewhere; the daemon and its builders have to be gone. Never rejects. */
  remove(folder: string, pid?: number): Promise<void>;
  /**
   * Removes what a build of the derivation has left inside the store, besides items; its builder too, where that has outlived its
   * daemon. It must not be under way. Never rejects.
   */
  removeSandbox(derivationPath: string): Promise<void>;
}

/** Folder of these folders. */
export function buildFoldersOf(root: string): string {
  const key = createHash('sha256').update(root).digest('hex').slice(0, 10);
  return join(tmpdir(), `drover-builds-${key}`);
}

/** @param root folder of the chroot store. An agent has one of its own. */
export function openBuildFolders(root: string): BuildFolders {
  const base = buildFoldersOf(root);
  /** Newer Nix builds here instead, in `nix-<process id>-<number>`. */
  const newer = join(root, 'nix/var/nix/builds');
  let made = 0;
  /** Those made and not yet removed. */
  const used = new Set<string>();
  let ready: Promise<void> | undefined;
  /** While the folder that held them goes, with the last of them. */
  let leaving: Promise<void> | undefined;

  /** What agents have left that were killed. */
  async function sweep(): Promise<void> {
    await mkdir(base, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    const { uid } = await lstat(base);
    const own = process.getuid?.() ?? uid;
    if (uid !== own) throw new Error(`${base}: expected a folder of user ${own}, got one of user ${uid}; remove it`);
    await removeWhere(base, (name) => !used.has(join(base, name)) && isGone(/^(\d+)-/.exec(name)));
    await removeWhere(newer, (name) => isGone(/^nix-(\d+)-/.exec(name)));
  }

  async function make(): Promise<string> {
    const folder = join(base, `${process.pid}-${made++}`);
    used.add(folder);
    try {
      await leaving;
      ready ??= sweep();
      await ready;
      await mkdir(folder, { mode: 0o700 });
      return folder;
    } catch (error) {
      used.delete(folder);
      ready = undefined;
      const { code, message } = error as NodeJS.ErrnoException;
      const full = code === 'ENOSPC' || code === 'EDQUOT';
      throw new BuilderError(full ? 'disk-full' : 'unavailable', `cannot make a folder for builds: ${message}`, {
        cause: error,
      });
    }
  }

  return {
    make,
    async remove(folder, pid) {
      await quietly(folder);
      used.delete(folder);
      if (used.size === 0) {
        ready = undefined;
        // What another agent, or a failure, has left in it keeps it.
        leaving = rmdir(base).catch(() => {});
        await leaving;
      }
      if (pid !== undefined) await removeWhere(newer, (name) => name.startsWith(`nix-${pid}-`));
    },
    async removeSandbox(derivationPath) {
      const sandbox = join(root, `${derivationPath}.chroot`);
      // Newer Nix has the sandbox's root one level deeper.
      const builders = await rootedIn([sandbox, join(sandbox, 'root')]);
      if (builders.length > 0) await killAndWait(builders);
      await quietly(sandbox);
    },
  };
}

async function removeWhere(folder: string, which: (name: string) => boolean): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names.filter(which)) await quietly(join(folder, name));
}

/** What cannot be removed now is tried again at the next start. */
const quietly = (path: string): Promise<void> => removeTree(path).catch(() => {});

/** Whether the process that the name is of runs no more. Ours may have had its id before. */
function isGone(named: RegExpExecArray | null): boolean {
  if (named === null) return false;
  const pid = Number(named[1]);
  if (pid === process.pid) return true;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
