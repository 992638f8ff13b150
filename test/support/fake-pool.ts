import type { FinishedUpload, Pool, UploadStatus } from '../../coordinator/ports/pool.ts';

/** A pool in memory that believes what it is told: what a NAR holds is not the point of a simulation. */
export function createFakePool(): Pool & {
  readonly files: Set<string>;
  lose(hash: string): void;
  damage(hash: string): void;
} {
  const uploads = new Map<string, FinishedUpload & { owner: string }>();
  const files = new Set<string>();
  const published = new Set<string>();
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
      const { path, narHash, narSize, references, compression, deriver, fileSize, push } = declaration;
      const id = `${owner}-${path.slice(24, 32)}${narHash.slice(-20)}`;
      const file = { hash: narHash, size: fileSize, compression };
      uploads.set(id, {
        id,
        owner,
        item: { path, narHash, narSize, references: [...references], file, ...(deriver !== undefined && { deriver }) },
        ...(push !== undefined && { push }),
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
      published.add(id);
      damaged.delete(upload.item.file.hash);
    },
    async abandon(id) {
      uploads.delete(id);
    },
    *underWay() {
      for (const [id, { item }] of uploads) if (!published.has(id)) yield item;
    },
    open: async () => undefined,
    has: async (file) => files.has(file.hash),
    async check({ file }, { how } = {}) {
      if (!files.has(file.hash)) return { kind: 'absent', message: 'expected its file in the pool, got none' };
      if (how === 'size' || !damaged.has(file.hash)) return undefined;
      return { kind: 'damaged', message: `expected a file with ${file.hash}, got another` };
    },
    listing: async () => undefined,
    async remove(file) {
      files.delete(file.hash);
    },
    freeBytes: async () => undefined,
    sweep: async () => ({ files: 0, bytes: 0, uploads: 0 }),
    async [Symbol.asyncDispose]() {},
  };
}
