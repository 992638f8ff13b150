import { Readable } from 'node:stream';
import type {
  FileFault,
  FinishedUpload,
  Pool,
  UploadDeclaration,
  UploadRefusal,
  UploadStatus,
} from '../../coordinator/ports/pool.ts';
import { FileDamaged } from '../../coordinator/ports/pool.ts';
import type { StoreItem } from '../../domain/item/events.ts';
import { sha256 } from '../../domain/store/sha256.ts';
import { factsOf, hashOf } from './graph.ts';
import type { Life } from './life.ts';

/** How the disk that NARs are on is. */
export interface PoolWeather {
  full: boolean;
  /** The next upload is cut in the middle. */
  cutsUpload: boolean;
}

/** The pool's disk: files and uploads, which outlive every coordinator. */
export interface PoolDisk {
  readonly weather: PoolWeather;
  /** Bytes by file hash. */
  readonly files: ReadonlyMap<string, Buffer>;
  /** Number of uploads that are kept. */
  readonly uploads: number;
  /** Those that are not published, and when each began by virtual time. */
  underWay(): Iterable<{ readonly path: string; readonly references: readonly string[]; readonly begun: number }>;
  lose(hash: string): void;
  rot(hash: string): void;
  /** For one process. */
  open(life: Life): Pool;
}

interface Upload {
  readonly id: string;
  readonly owner: string;
  readonly declaration: UploadDeclaration;
  readonly scan: readonly string[];
  readonly begun: number;
  bytes: Buffer;
  published: boolean;
}

/** Uploads that are published are known for a while, so that a report that comes again finds them. */
const publishedKept = 16;

const refusal = (code: UploadRefusal['code'], message: string, more: object = {}) => ({
  refused: { code, message, ...more },
});

/**
 * A pool in memory that is as strict as the real one: what an upload says of its bytes is compared with them. Nothing is compressed, whatever
 * is said.
 *
 * @param removed is told of each file that the coordinator removes, before it does.
 */
export function createPoolDisk(now: () => number, removed: (hash: string) => void): PoolDisk {
  const files = new Map<string, Buffer>();
  const uploads = new Map<string, Upload>();
  const weather: PoolWeather = { full: false, cutsUpload: false };
  let count = 0;

  const isWhole = ({ bytes, declaration }: Upload): boolean => bytes.length === declaration.fileSize;
  const statusOf = (upload: Upload): UploadStatus => ({
    id: upload.id,
    owner: upload.owner,
    path: upload.declaration.path,
    offset: upload.bytes.length,
    fileSize: upload.declaration.fileSize,
    finished: isWhole(upload),
  });

  function faultOfUpload({ bytes, declaration, scan }: Upload): ReturnType<typeof refusal> | undefined {
    const { narHash, narSize, references } = declaration;
    if (bytes.length !== narSize) return refusal('wrong-nar-size', `expected ${narSize}, got ${bytes.length}`);
    try {
      const candidates = [...new Set([...scan, ...references.map((base) => base.slice(0, 32))])];
      const found = factsOf(bytes, candidates);
      if (found.narHash !== narHash) return refusal('wrong-nar-hash', `expected ${narHash}, got ${found.narHash}`);
      const declared = references.map((base) => base.slice(0, 32)).sort();
      if (found.references.join() !== declared.join())
        return refusal('wrong-references', `expected ${declared.join(' ')}, got ${found.references.join(' ')}`);
      return undefined;
    } catch (error) {
      return refusal('malformed-nar', (error as Error).message);
    }
  }

  function faultOfFile({ file, narHash }: Pick<StoreItem, 'file' | 'narHash'>, how: string): FileFault | undefined {
    const bytes = files.get(file.hash);
    if (bytes === undefined) return { kind: 'absent', message: `expected ${file.hash}, got nothing` };
    if (bytes.length !== file.size)
      return { kind: 'wrong-size', message: `expected ${file.size}, got ${bytes.length}` };
    if (how === 'size') return undefined;
    const got = hashOf(bytes);
    return got === narHash ? undefined : { kind: 'damaged', message: `expected ${narHash}, got ${got}` };
  }

  function open(life: Life): Pool {
    const find = (id: string, owner: string): Upload | undefined => {
      const upload = uploads.get(id);
      return upload?.owner === owner ? upload : undefined;
    };
    const itemOf = ({ declaration }: Upload): FinishedUpload['item'] => {
      const { path, narHash, narSize, references, compression, deriver, fileSize } = declaration;
      const file = { hash: narHash, size: fileSize, compression };
      return { path, narHash, narSize, references: [...references], file, ...(deriver !== undefined && { deriver }) };
    };
    const pool: Pool = {
      async begin(owner, declaration, scan = []) {
        await life.io(8);
        const wanted = JSON.stringify(declaration);
        for (const upload of uploads.values())
          if (upload.owner === owner && JSON.stringify(upload.declaration) === wanted) {
            // What was published of it may have been lost since.
            if (!upload.published || faultOfFile(itemOf(upload), 'recent') === undefined) return statusOf(upload);
            uploads.delete(upload.id);
          }
        if (weather.full) return refusal('disk-full', 'the disk is full', { room: { needed: 1, free: 0 } });
        const upload = {
          id: `u${++count}`,
          owner,
          declaration,
          scan,
          begun: now(),
          bytes: Buffer.alloc(0),
          published: false,
        };
        uploads.set(upload.id, upload);
        return statusOf(upload);
      },
      async status(id, owner) {
        await life.io(4);
        const upload = find(id, owner);
        return upload && statusOf(upload);
      },
      async write(id, owner, offset, body) {
        await life.io(8);
        const upload = find(id, owner);
        if (!upload) return refusal('unknown-upload', `there is no upload ${id}`);
        if (offset !== upload.bytes.length)
          return refusal('wrong-offset', `expected ${upload.bytes.length}, got ${offset}`, {
            offset: upload.bytes.length,
          });
        if (weather.full) return refusal('disk-full', 'the disk is full', { room: { needed: 1, free: 0 } });
        const chunks: Uint8Array[] = [];
        for await (const chunk of body) chunks.push(chunk);
        await life.io();
        if (upload.bytes.length !== offset) return refusal('upload-busy', 'another request is writing to the upload');
        const bytes = Buffer.concat(chunks);
        const isCut = weather.cutsUpload && bytes.length > 1;
        if (isCut) weather.cutsUpload = false;
        upload.bytes = Buffer.concat([upload.bytes, isCut ? bytes.subarray(0, bytes.length >> 1) : bytes]);
        const fault = isWhole(upload) ? faultOfUpload(upload) : undefined;
        if (fault) uploads.delete(id);
        return fault ?? statusOf(upload);
      },
      async finished(id, owner) {
        await life.io(4);
        const upload = find(id, owner);
        if (!upload || !isWhole(upload)) return undefined;
        const { push } = upload.declaration;
        return { id, item: itemOf(upload), ...(push && { push }) };
      },
      async contentHash(id, method) {
        await life.io(4);
        const bytes = uploads.get(id)?.bytes;
        return method === 'r:sha256' && bytes ? Buffer.from(sha256(bytes)).toString('hex') : undefined;
      },
      async publish(id) {
        await life.io();
        const upload = uploads.get(id);
        if (!upload) throw new Error(`there is no upload ${id}`);
        // Its bytes take the place of whatever has the name.
        files.set(upload.declaration.narHash, upload.bytes);
        upload.published = true;
        const published = [...uploads.values()].filter((one) => one.published);
        for (const oldest of published.slice(0, -publishedKept)) uploads.delete(oldest.id);
      },
      async abandon(id) {
        await life.io(4);
        uploads.delete(id);
      },
      *underWay() {
        for (const { published, declaration } of uploads.values()) if (!published) yield declaration;
      },
      async open({ hash }) {
        await life.io(4);
        const bytes = files.get(hash);
        if (bytes === undefined) return undefined;
        return {
          name: hash,
          size: bytes.length,
          modified: 0,
          verified: false,
          pieces: () => Promise.reject(new Error('expected all to be read as a stream')),
          read(start, end) {
            if (hashOf(bytes) === hash) return Readable.from([bytes.subarray(start, end)]);
            const broken = new Readable({ read() {} });
            broken.destroy(new FileDamaged(`expected a file with ${hash}, got another`));
            return broken;
          },
        };
      },
      async has({ hash, size }) {
        await life.io(4);
        return files.get(hash)?.length === size;
      },
      async check(item, { how = 'all' } = {}) {
        await life.io();
        return faultOfFile(item, how);
      },
      listing: async () => undefined,
      async remove({ hash }) {
        await life.io();
        removed(hash);
        files.delete(hash);
      },
      freeBytes: async () => undefined,
      async sweep(isKnown, isAwaited = () => true) {
        await life.io();
        let gone = 0;
        for (const upload of [...uploads.values()]) {
          if (upload.published) upload.published = isKnown(upload.declaration.narHash);
          else if (!isAwaited(upload.declaration.path)) uploads.delete(upload.id);
        }
        for (const hash of [...files.keys()]) {
          if (isKnown(hash)) continue;
          removed(hash);
          files.delete(hash);
          gone++;
        }
        return { files: gone, bytes: 0, uploads: 0 };
      },
      async [Symbol.asyncDispose]() {},
    };
    return life.mortal(pool);
  }

  return {
    weather,
    files,
    get uploads() {
      return uploads.size;
    },
    *underWay() {
      for (const { published, begun, declaration } of uploads.values())
        if (!published) yield { begun, path: declaration.path, references: declaration.references };
    },
    lose: (hash) => void files.delete(hash),
    rot(hash) {
      const bytes = files.get(hash);
      if (bytes === undefined) return;
      const rotten = Buffer.from(bytes);
      rotten[rotten.length >> 1] = (rotten[rotten.length >> 1] ?? 0) ^ 1;
      files.set(hash, rotten);
    },
    open,
  };
}
