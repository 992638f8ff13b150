import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { withPath } from '../data-dir/durable.ts';

export interface FolderLock extends AsyncDisposable {
  /** False once the folder, and the lock with it, was removed. */
  isHeld(): Promise<boolean>;
}

/**
 * Two agents on one folder would report each other's attempts. The lock is the process in a file, by its id and its start;
 * one whose process is gone is taken over, whoever has its id since, as after a power cut.
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const path = join(folder, 'lock');
  for (;;) {
    try {
      const file = await open(path, 'wx', 0o600);
      await file.writeFile(`${process.pid} ${(await startOf(process.pid)) ?? ''}\n`);
      await file.close();
      held.add(path);
      const isHeld = async () => Number.parseInt(await readFile(path, 'utf8').catch(() => ''), 10) === process.pid;
      return {
        isHeld,
        async [Symbol.asyncDispose]() {
          held.delete(path);
          if (await isHeld()) await rm(path, { force: true });
        },
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw withPath(error, path);
    }
    const text = await readFile(path, 'utf8').catch(() => '');
    const holder = Number.parseInt(text, 10);
    const [, start = ''] = text.trim().split(' ');
    const ours = holder === process.pid && !held.has(path);
    if (!ours && Number.isSafeInteger(holder) && isAlive(holder) && (await mayBe(holder, start))) {
      throw new Error(`expected a state folder that no other agent uses, but process ${holder} holds ${path}`);
    }
    await rm(path, { force: true });
  }
}

/** Locks of this process, so that one left by an earlier process with our id is told from our own. */
const held = new Set<string>();

/** Whether the process of this id may be the one that started then; `''` where that is not known. */
async function mayBe(pid: number, start: string): Promise<boolean> {
  const found = await startOf(pid);
  return start === '' || found === undefined || found === start;
}

/** When a process started, as the kernel tells it, and in which run of the machine; `undefined` where it does not. */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // Behind the name in parentheses, which may hold anything: proc(5) counts it as field 2, and the start as 22.
    const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[22 - 3];
    return `${boot.trim()}/${start}`;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
