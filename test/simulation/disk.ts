import type { Commit, EventStore } from '../../coordinator/ports/event-store.ts';
import { EventStoreError } from '../../coordinator/ports/event-store.ts';
import type { FinishedUpload, Pool, UploadStatus } from '../../coordinator/ports/pool.ts';
import type { VirtualTime } from './time.ts';

/**
 * An event store whose appends take a while to become durable. After `kill`, what was not durable is lost and nothing is answered, as if
 * the process had been killed; `fail` makes the next append fail, as on a full disk.
 */
export function createSlowStore(inner: EventStore, time: VirtualTime): EventStore & { kill(): void; fail(): void } {
  let dead = false;
  let failing = false;
  let previous = Promise.resolve();

  function appendBatch(commits: readonly Commit[]) {
    const result = previous.then(
      () =>
        new Promise<Awaited<ReturnType<EventStore['appendBatch']>>>((resolve, reject) => {
          time.after(time.random() * 20, () => {
            if (dead) return;
            if (failing) return reject(new EventStoreError('disk-full', 'the disk is full'));
            inner.appendBatch(commits).then(resolve, reject);
          });
        }),
    );
    previous = result.then(
      () => undefined,
      () => new Promise(() => undefined),
    );
    return result;
  }

  return {
    obstacle: undefined,
    capabilities: inner.capabilities,
    appendBatch,
    append: async (commit) => (await appendBatch([commit]))[0] as Awaited<ReturnType<EventStore['append']>>,
    read: inner.read,
    readAll: inner.readAll,
    subscribe: inner.subscribe,
    head: inner.head,
    kill() {
      dead = true;
    },
    fail() {
      failing = true;
    },
    async [Symbol.asyncDispose]() {
      dead = true;
    },
  };
}

/** A pool in memory that believes what it is told: what a NAR holds is not the point of a simulation. */
export function createFakePool(): Pool & {
  readonly files: Set<string>;
  lose(hash: string): void;
  damage(hash: string): void;
} {
  const uploads = new Map<string, FinishedUpload & { owner: string }>();
  const files = new Set<string>();
  const damaged = new Set<string>();
  const status = (id: string): UploadStatus | undefined => {
    const upload = uploads.get(id);
    return (
      upload && {
        id,
        owner: upload.owner,
        path: upload.item.path,
        offset: upload.item.file.size,
        fileSize: upload.item.file.size,
        finished: true,
      }
    );
  };
  return {
    files,
    lose: (hash) => void files.delete(hash),
    damage: (hash) => void damaged.add(hash),
    async begin(owner, declaration) {
      const { path, narHash, narSize, references, compression, deriver, fileSize } = declaration;
      const id = `${owner}-${path.slice(24, 32)}${narHash.slice(-20)}`;
      const file = { hash: narHash, size: fileSize, compression };
      uploads.set(id, {
        id,
        owner,
        item: { path, narHash, narSize, references: [...references], file, ...(deriver !== undefined && { deriver }) },
      });
      return status(id) as UploadStatus;
    },
    status: async (id) => status(id),
    write: async (id) => status(id) as UploadStatus,
    finished: async (id, owner) => (uploads.get(id)?.owner === owner ? uploads.get(id) : undefined),
    contentHash: async () => undefined,
    async publish(id) {
      const upload = uploads.get(id);
      if (!upload) throw new Error(`no upload ${id}`);
      files.add(upload.item.file.hash);
      damaged.delete(upload.item.file.hash);
    },
    async abandon(id) {
      uploads.delete(id);
    },
    open: async () => undefined,
    has: async (file) => files.has(file.hash),
    async check({ file }, { how } = {}) {
      if (!files.has(file.hash)) return { kind: 'absent', message: 'expected its file in the pool, got none' };
      if (how === 'size' || !damaged.has(file.hash)) return undefined;
      return { kind: 'damaged', message: `expected a file with ${file.hash}, got another` };
    },
    async remove(file) {
      files.delete(file.hash);
    },
    sweep: async () => ({ files: 0, bytes: 0, uploads: 0 }),
    async [Symbol.asyncDispose]() {},
  };
}
