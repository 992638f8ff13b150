import { readdir, rm, stat, writeFile } from 'node:fs/promises';
import type { UploadStatus } from '../../../coordinator/ports/pool.ts';
import { makeAnew } from '../../data-dir/durable.ts';
import type { Layout } from './layout.ts';
import { sharedScan } from './owner-share.ts';
import { isMissing } from './system-error.ts';
import { dropSession, recordsOf, type Upload } from './upload.ts';
import { begunText, readRecord, type UploadRecord, uploadIdOf } from './upload-record.ts';

/** All uploads, on disk and in memory. */
export interface Uploads {
  get(id: string): Upload | undefined;
  all(): Iterable<Upload>;
  /** Those that are not published: few beside the others, and what is looked through for each upload. */
  unpublished(): Iterable<Upload>;
  setPublished(upload: Upload, isPublished: boolean): void;
  /** Finds or makes the folder of an upload. */
  begin(record: UploadRecord): Promise<Upload>;
  /** Removes an upload that nobody writes to. */
  remove(upload: Upload): Promise<void>;
  /** Folders that a crash left and that are no upload, removed; returns how many there were. */
  removeLeftovers(): Promise<number>;
}

/** Reads what is in `uploads/`: uploads go on where they were. */
export async function loadUploads(layout: Layout, monotonic: () => number): Promise<Uploads> {
  const uploads = new Map<string, Upload>();
  const unpublished = new Set<Upload>();
  const beginning = new Map<string, Promise<Upload>>();
  const removing = new Map<Upload, Promise<void>>();
  const leftovers: string[] = [];
  for (const id of await readdir(layout.uploads)) {
    const upload = await load(layout, id, monotonic(), recordsOf(uploads.values()));
    if (upload === undefined) leftovers.push(id);
    else put(upload);
  }

  function put(upload: Upload): void {
    // One that is spoilt has no name any more.
    const before = uploads.get(upload.id);
    if (before !== undefined) unpublished.delete(before);
    uploads.set(upload.id, upload);
    if (!upload.published) unpublished.add(upload);
  }

  async function make(id: string, record: UploadRecord): Promise<Upload> {
    const paths = layout.upload(id);
    try {
      await makeAnew(paths.folder);
      await writeFile(paths.declaration, begunText(record), { mode: 0o600 });
    } catch (error) {
      await rm(paths.folder, { recursive: true, force: true }).catch(() => undefined);
      throw error;
    }
    const upload: Upload = {
      id,
      record,
      offset: 0,
      fresh: false,
      published: false,
      durable: false,
      gone: false,
      deaths: 0,
      touchedAt: monotonic(),
    };
    put(upload);
    return upload;
  }

  async function removeOne(upload: Upload): Promise<void> {
    // The name is free only when the files are gone, so that a new upload of that name does not lose its own.
    dropSession(upload);
    await rm(layout.upload(upload.id).folder, { recursive: true, force: true });
    unpublished.delete(upload);
    if (uploads.get(upload.id) === upload) uploads.delete(upload.id);
  }

  async function begin(record: UploadRecord): Promise<Upload> {
    const id = uploadIdOf(record);
    const held = uploads.get(id);
    const going = held && removing.get(held);
    if (going !== undefined) {
      await going;
      return begin(record);
    }
    if (held !== undefined && !held.spoilt) return held;
    // Two at the same time are one as well.
    const under = beginning.get(id) ?? make(id, record).finally(() => beginning.delete(id));
    beginning.set(id, under);
    return under;
  }

  return {
    get: (id) => uploads.get(id),
    all: () => uploads.values(),
    unpublished: () => unpublished,
    setPublished(upload, isPublished) {
      upload.published = isPublished;
      if (isPublished) unpublished.delete(upload);
      else if (uploads.get(upload.id) === upload) unpublished.add(upload);
    },
    begin,
    async remove(upload) {
      // Whoever comes second waits for the first; and what was removed before is not there any more: another of its name may be.
      if (uploads.get(upload.id) !== upload) return;
      const under = removing.get(upload) ?? removeOne(upload).finally(() => removing.delete(upload));
      removing.set(upload, under);
      await under;
    },
    async removeLeftovers() {
      const gone = leftovers.splice(0);
      // A name that is no id stays what it is, but for what begin() made anew meanwhile.
      for (const name of gone) {
        if (!uploads.has(name)) await rm(`${layout.uploads}/${name}`, { recursive: true, force: true });
      }
      return gone.length;
    },
  };
}

async function load(
  layout: Layout,
  id: string,
  touchedAt: number,
  others: Iterable<UploadRecord>,
): Promise<Upload | undefined> {
  const read = await readRecord(layout, id);
  if (read === undefined) return undefined;
  const record = 'scan' in read && read.scan !== undefined ? { ...read, scan: sharedScan(read.scan, others) } : read;
  // There is none before the first byte.
  const size = await sizeOf(layout.upload(id).part);
  const { fileSize } = record.declaration;
  const upload: Upload = {
    id,
    record,
    offset: fileSize,
    fresh: false,
    published: false,
    durable: false,
    gone: false,
    deaths: 0,
    touchedAt,
  };
  if ('file' in record) return { ...upload, finished: record, published: size === undefined };
  return size !== undefined && size > fileSize ? undefined : { ...upload, offset: size ?? 0 };
}

/** Of a file, in bytes; `undefined` where there is none. */
export async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

export function statusOf({ id, record, offset, finished }: Upload): UploadStatus {
  const { owner, declaration } = record;
  const { path, fileSize } = declaration;
  return { id, owner, path, offset, fileSize, finished: finished !== undefined };
}
