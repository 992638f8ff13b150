import { open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDiskFull } from '../../agent/attempt-failure.ts';
import { withPath } from '../data-dir/durable.ts';
import { isThere } from '../data-dir/is-there.ts';
import { takeProcessLock } from '../data-dir/process-lock.ts';

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
  // Of two that both see a lock whose process is gone, each would remove what the other has put in its place.
  using _guard = takeGuard(folder);
  const holder = await folderHolder(folder);
  const ours = holder === process.pid && !held.has(path);
  if (!ours && holder !== undefined) throw inUse(`process ${holder} holds ${path}`);
  await writeLock(path, `${process.pid} ${(await startOf(process.pid)) ?? ''}\n`);
  held.add(path);
  const isHeld = async () => Number.parseInt(await readFile(path, 'utf8').catch(() => ''), 10) === process.pid;
  return {
    isHeld,
    async [Symbol.asyncDispose]() {
      held.delete(path);
      if (await isHeld()) await rm(path, { force: true });
    },
  };
}

async function writeLock(path: string, text: string): Promise<void> {
  try {
    // Never there without its text: an older version takes an empty one for one that was left.
    await writeFile(`${path}.new`, text, { mode: 0o600 });
    await rename(`${path}.new`, path);
  } catch (error) {
    // What fills the disk may be what is to be delivered from this folder: an agent that was killed has left the room of its lock.
    if (isDiskFull(error) && isThere(path)) await writeOver(path, text);
    else throw withPath(error, path);
  }
}

async function writeOver(path: string, text: string): Promise<void> {
  await rm(`${path}.new`, { force: true });
  await using file = await open(path, 'r+');
  await file.writeFile(text);
  await file.truncate(Buffer.byteLength(text));
}

/** The id of the process that has the folder, `undefined` where none has. Changes nothing. */
export async function folderHolder(folder: string): Promise<number | undefined> {
  const text = await readFile(join(folder, 'lock'), 'utf8').catch(() => '');
  const holder = Number.parseInt(text, 10);
  const [, start = ''] = text.trim().split(' ');
  return Number.isSafeInteger(holder) && isAlive(holder) && (await mayBe(holder, start)) ? holder : undefined;
}

/** Held while one looks at the lock and takes it. */
function takeGuard(folder: string): Disposable {
  const files = { lock: join(folder, 'lock.guard'), holder: join(folder, 'lock.guard-holder') };
  let guard: ReturnType<typeof takeProcessLock>;
  try {
    guard = takeProcessLock(files, String(process.pid));
  } catch (error) {
    throw withPath(error, files.lock);
  }
  if (Symbol.dispose in guard) return guard;
  throw inUse(`process ${guard.heldBy} is taking ${folder}`);
}

/** With a code, as what is told in a sentence has: no fault of the program. */
function inUse(by: string): Error {
  return Object.assign(new Error(`expected a state folder that no other agent uses, but ${by}`), {
    code: 'folder-in-use',
  });
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
