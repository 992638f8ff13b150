import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type AttemptRecord, attemptName, attemptRecord } from '../../agent/attempt-record.ts';
import type { AttemptStore } from '../../agent/ports/attempt-store.ts';
import { syncDirectory, writeFileDurably } from '../data-dir/durable.ts';
import { openAttemptFiles } from './attempt-files.ts';

const attemptsFolder = 'attempts';
const damagedFolder = 'damaged';
/** Written and removed to see that it can be; no attempt has such a name. */
const probeName = '.probe';

/**
 * Attempts in folders `attempts/<build>@<attempt>` below `folder`, each with `record.json`, `log` and the compressed NARs
 * of its outputs. The compression level is zstd's.
 */
export async function openAttemptStore(folder: string, compressionLevel: number): Promise<AttemptStore> {
  const attempts = join(folder, attemptsFolder);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await makeFolders();
  let lock = await lockFolder(folder);

  async function makeFolders(): Promise<void> {
    for (const path of [attempts, join(folder, damagedFolder)]) {
      await mkdir(path, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error;
      });
    }
  }

  return {
    async load() {
      const found: { record: AttemptRecord; files: Awaited<ReturnType<typeof openAttemptFiles>> }[] = [];
      const damaged: string[] = [];
      for (const name of (await readdir(attempts)).sort()) {
        if (name.startsWith(probeName)) continue;
        const path = join(attempts, name);
        const record = await readRecord(path);
        if (record === 'none') {
          // Its allocation was never acknowledged: the coordinator has it still.
          await rm(path, { recursive: true, force: true });
        } else if (record === 'damaged' || attemptName(record) !== name) {
          damaged.push(name);
          await rm(join(folder, damagedFolder, name), { recursive: true, force: true });
          await rename(path, join(folder, damagedFolder, name));
        } else {
          found.push({ record, files: await openAttemptFiles(path, compressionLevel) });
        }
      }
      return { attempts: found, damaged };
    },

    async create(record) {
      const path = join(attempts, attemptName(record));
      await rm(path, { recursive: true, force: true });
      await mkdir(path, { mode: 0o700 });
      const files = await openAttemptFiles(path, compressionLevel);
      await files.save(record);
      await syncDirectory(attempts);
      return files;
    },

    async check() {
      try {
        await makeFolders();
        if (!(await lock.isHeld())) {
          await lock[Symbol.asyncDispose]();
          lock = await lockFolder(folder);
        }
        const probe = join(attempts, probeName);
        await writeFileDurably(probe, 'this folder can be written to\n');
        await rm(probe, { recursive: true, force: true });
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        if (code !== 'ENOENT') throw new Error(`${folder}: ${message}`, { cause: error });
        throw new Error(`${folder} is gone; make it again (mkdir), or mount what was there`, { cause: error });
      }
    },

    async [Symbol.asyncDispose]() {
      await lock[Symbol.asyncDispose]();
    },
  };
}

async function readRecord(path: string): Promise<AttemptRecord | 'none' | 'damaged'> {
  let text: string;
  try {
    text = await readFile(join(path, 'record.json'), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'none';
    throw error;
  }
  try {
    return attemptRecord.parse(JSON.parse(text));
  } catch {
    return 'damaged';
  }
}

interface FolderLock extends AsyncDisposable {
  /** False once the folder, and the lock with it, was removed. */
  isHeld(): Promise<boolean>;
}

/**
 * Two agents on one folder would report each other's attempts. The lock is the process id in a file; one whose process is
 * gone is taken over.
 */
async function lockFolder(folder: string): Promise<FolderLock> {
  const path = join(folder, 'lock');
  for (;;) {
    try {
      const file = await open(path, 'wx', 0o600);
      await file.writeFile(`${process.pid}\n`);
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
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const holder = Number.parseInt(await readFile(path, 'utf8').catch(() => ''), 10);
    const ours = holder === process.pid && !held.has(path);
    if (!ours && Number.isSafeInteger(holder) && isAlive(holder)) {
      throw new Error(`expected a state folder that no other agent uses, but process ${holder} holds ${path}`);
    }
    await rm(path, { force: true });
  }
}

/** Locks of this process, so that one left by an earlier process with our id is told from our own. */
const held = new Set<string>();

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
