import { join } from 'node:path';
import type { StoreItem } from '../../../domain/item/events.ts';

/**
 * Where things lie in the pool's folder:
 *
 *     nar/<first two characters>/<file hash>.nar[.zst]   published
 *     uploads/<id>/declaration.json                      what was declared, and by whom
 *     uploads/<id>/part                                  the bytes that came so far; moved to nar/ when published
 *     uploads/<id>/finished.json                         instead of declaration.json, once verified
 */
export interface Layout {
  readonly nars: string;
  readonly uploads: string;
  /** Path of a published file. Throws where the hash is not `sha256:<nix-base32>`: it becomes a part of a path. */
  nar(file: Pick<StoreItem['file'], 'hash' | 'compression'>): string;
  upload(id: string): UploadPaths;
}

export interface UploadPaths {
  readonly folder: string;
  readonly declaration: string;
  readonly part: string;
  readonly finished: string;
}

const fileHash = /^sha256:([0-9abcdfghijklmnpqrsvwxyz]{52})$/;
const narName = /^([0-9abcdfghijklmnpqrsvwxyz]{52})\.nar(\.zst)?$/;
const uploadId = /^[0-9abcdfghijklmnpqrsvwxyz]{32}$/;

export function createLayout(dir: string): Layout {
  const nars = join(dir, 'nar');
  const uploads = join(dir, 'uploads');
  return {
    nars,
    uploads,
    nar({ hash, compression }) {
      const digest = fileHash.exec(hash)?.[1];
      if (digest === undefined)
        throw new TypeError(`expected sha256:<nix-base32>, got ${JSON.stringify(hash.slice(0, 80))}`);
      return `${nars}/${digest.slice(0, 2)}/${digest}.nar${compression === 'zstd' ? '.zst' : ''}`;
    },
    upload(id) {
      if (!isUploadId(id)) throw new TypeError(`expected an upload id, got ${JSON.stringify(id.slice(0, 80))}`);
      const folder = join(uploads, id);
      return {
        folder,
        declaration: join(folder, 'declaration.json'),
        part: join(folder, 'part'),
        finished: join(folder, 'finished.json'),
      };
    },
  };
}

export function isUploadId(text: string): boolean {
  return uploadId.test(text);
}

/** Hash of the file of that name in `nar/`, `undefined` for what the pool did not put there. */
export function hashOfNarName(name: string): string | undefined {
  const digest = narName.exec(name)?.[1];
  return digest && `sha256:${digest}`;
}
