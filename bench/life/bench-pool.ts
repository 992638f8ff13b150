import type { FinishedUpload, Pool, UploadDeclaration } from '../../coordinator/ports/pool.ts';

/** A pool that holds nothing and believes everything: what the real one does is measured apart (`nar-in`). */
export interface BenchPool {
  readonly pool: Pool;
  /** As if a NAR had been uploaded whole, its contents with that hash; returns the upload's id. Publishing forgets it. */
  uploaded(declaration: Omit<UploadDeclaration, 'compression' | 'fileSize'>, contentHash?: string): string;
}

export function createBenchPool(): BenchPool {
  const uploads = new Map<string, { upload: FinishedUpload; contentHash: string | undefined }>();
  let serial = 0;
  const unused = (): never => {
    throw new Error('Expected no bytes to move in this bench');
  };
  return {
    uploaded({ path, narHash, narSize, references }, contentHash) {
      const id = `u${serial++}`;
      const file = { hash: narHash, size: narSize, compression: 'none' } as const;
      const upload = { id, item: { path, narHash, narSize, references: [...references], file } };
      uploads.set(id, { upload, contentHash });
      return id;
    },
    pool: {
      begin: unused,
      status: unused,
      write: unused,
      contentHash: async (id) => uploads.get(id)?.contentHash,
      finished: async (id) => uploads.get(id)?.upload,
      publish: async (id) => void uploads.delete(id),
      abandon: async (id) => void uploads.delete(id),
      underWay: () => [],
      open: async () => undefined,
      check: async () => undefined,
      has: async () => true,
      listing: async () => undefined,
      remove: async () => undefined,
      freeBytes: async () => undefined,
      sweep: async () => ({ files: 0, bytes: 0, uploads: 0 }),
      async [Symbol.asyncDispose]() {},
    },
  };
}
