import type { AttemptRecord } from '../../agent/attempt-record.ts';
import { attemptName } from '../../agent/attempt-record.ts';
import type { AttemptFiles, AttemptStore } from '../../agent/ports/attempt-store.ts';
import type { Life } from './life.ts';

export interface HeldItem {
  readonly nar: Buffer;
  readonly narHash: string;
  /** Full paths. */
  readonly references: readonly string[];
}

interface Folder {
  record: AttemptRecord;
  log: Buffer;
  readonly spool: Map<string, Buffer>;
}

/** What outlives the processes of one machine: its store, and what its agent keeps of attempts. */
export interface MachineDisk {
  /** By full path. */
  readonly items: Map<string, HeldItem>;
  readonly attempts: Map<string, Folder>;
  full: boolean;
  /** What lies about in its store and nothing keeps, and whether a collection of garbage gets at it. */
  litter: 'none' | 'garbage' | 'stuck';
}

export const emptyDisk = (): MachineDisk => ({ items: new Map(), attempts: new Map(), full: false, litter: 'none' });

export const noRoom = (): Error => Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });

/** The state folder of an agent, in memory: what was saved is there after a crash. */
export function openAttemptDisk(disk: MachineDisk, life: Life): AttemptStore {
  async function write(): Promise<void> {
    await life.io(6);
    if (disk.full) throw noRoom();
  }

  function filesOf(name: string): AttemptFiles {
    const folder = (): Folder => {
      const found = disk.attempts.get(name);
      if (!found) throw new Error(`ENOENT: the folder of ${name} is gone`);
      return found;
    };
    return {
      async save(record) {
        await write();
        folder().record = structuredClone(record);
      },
      get logSize() {
        return disk.attempts.get(name)?.log.length ?? 0;
      },
      async appendLog(bytes) {
        await write();
        folder().log = Buffer.concat([folder().log, bytes]);
      },
      async readLog(offset, most) {
        await life.io(3);
        return folder().log.subarray(offset, offset + most);
      },
      async spool(output, nar) {
        const chunks: Uint8Array[] = [];
        for await (const chunk of nar) chunks.push(chunk);
        await write();
        const bytes = Buffer.concat(chunks);
        folder().spool.set(output, bytes);
        return bytes.length;
      },
      async spooled(output) {
        await life.io(3);
        return folder().spool.get(output)?.length;
      },
      async *readSpool(output, offset, size) {
        const bytes = folder()
          .spool.get(output)
          ?.subarray(offset, offset + size);
        if (bytes?.length !== size) throw new Error(`expected ${size} bytes of ${output} in the spool, got fewer`);
        yield bytes;
      },
      close: async () => undefined,
      async remove() {
        await life.io(6);
        disk.attempts.delete(name);
      },
    };
  }

  const store: AttemptStore = {
    async load() {
      await life.io();
      const kept = [...disk.attempts].map(([name, { record }]) => ({
        record: structuredClone(record),
        files: filesOf(name),
      }));
      return { attempts: kept, damaged: [] };
    },
    async create(record) {
      await write();
      const name = attemptName(record);
      disk.attempts.set(name, { record: structuredClone(record), log: Buffer.alloc(0), spool: new Map() });
      return filesOf(name);
    },
    async check() {
      await write();
    },
    async [Symbol.asyncDispose]() {},
  };
  return life.mortal(store);
}
