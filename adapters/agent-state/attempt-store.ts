import { mkdir, readdir, readFile, rename, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { type AttemptRecord, attemptName, attemptRecord } from '../../agent/attempt-record.ts';
import type { AttemptStore } from '../../agent/ports/attempt-store.ts';
import { makeAnew, writeFileDurably } from '../data-dir/durable.ts';
import { openAttemptFiles } from './attempt-files.ts';
import { lockFolder } from './folder-lock.ts';
import { lastRecord } from './record-file.ts';

const attemptsFolder = 'attempts';
const damagedFolder = 'damaged';
/** Written and removed to see that it can be; no attempt has such a name. */
const probeName = '.probe';

/**
 * Attempts in folders `attempts/<build>@<attempt>` below `folder`, each with `record.json` (record-file.ts), `log` and the compressed NARs
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
          // Its allocation was never acknowledged, or a power cut took what was kept of it: the coordinator has it still.
          await rm(path, { recursive: true, force: true });
          continue;
        }
        const isWhole = record !== 'damaged' && attemptName(record) === name;
        const files = isWhole ? await openAttemptFiles(path, compressionLevel).catch(noneIfDamaged) : undefined;
        if (files !== undefined) found.push({ record: record as AttemptRecord, files });
        else {
          damaged.push(name);
          await rm(join(folder, damagedFolder, name), { recursive: true, force: true });
          await rename(path, join(folder, damagedFolder, name));
        }
      }
      return { attempts: found, damaged };
    },

    async create(record) {
      const path = join(attempts, attemptName(record));
      await makeAnew(path);
      const files = await openAttemptFiles(path, compressionLevel);
      await files.save(record);
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
        await mustHaveRoom(attempts);
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

/** Of its disk, in bytes; a 64th of a small one. */
const leastRoom = 1024 * 1024;

/** A probe fits where the attempts that failed for want of room have just gone: builds would be taken for the same end, again and again. */
async function mustHaveRoom(folder: string): Promise<void> {
  const { blocks, bavail, bsize } = await statfs(folder);
  // Some file systems do not say.
  if (blocks === 0) return;
  const least = Math.min(leastRoom, Math.floor((blocks * bsize) / 64));
  if (bavail * bsize < least) throw new Error(`expected ${least} bytes of room, got ${bavail * bsize}`);
}

/** What no agent has put there, or the disk does not give any more: one attempt's, which is no reason not to start. Others are thrown. */
function noneIfDamaged(error: unknown): undefined {
  const { code = '' } = error as NodeJS.ErrnoException;
  if (!['ENOTDIR', 'EISDIR', 'EIO', 'EBADMSG', 'EUCLEAN'].includes(code)) throw error;
}

async function readRecord(path: string): Promise<AttemptRecord | 'none' | 'damaged'> {
  let text: string;
  try {
    text = await readFile(join(path, 'record.json'), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'none';
    noneIfDamaged(error);
    return 'damaged';
  }
  const last = lastRecord(text);
  if (typeof last === 'string') return last;
  const record = attemptRecord.safeParse(last.value);
  return record.success ? record.data : 'damaged';
}
