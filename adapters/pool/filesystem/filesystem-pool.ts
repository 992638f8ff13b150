import { statSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { DroverError } from '../../../coordinator/errors.ts';
import type { FinishedUpload, Pool, UploadDeclaration, UploadRefusal } from '../../../coordinator/ports/pool.ts';
import type { Clock, Timers } from '../../../coordinator/ports/runtime.ts';
import { mostFileBytes } from '../../../domain/limits.ts';
import { parseSha256 } from '../../../domain/store/hash-text.ts';
import { freeBytes, roomBesideLog } from '../../data-dir/free-space.ts';
import { createFileCheck } from './check-file.ts';
import { parseContentMethod } from './content-hash.ts';
import { createExpiry } from './expiry.ts';
import { createLayout } from './layout.ts';
import { declaredBytes, excessOf, type OwnerLimits, sharedScan } from './owner-share.ts';
import { createPublishedFiles } from './published-files.ts';
import { createReceiver } from './receive.ts';
import { createSessionBudget, type MemoryLimits } from './session-budget.ts';
import { diskTrouble, isDiskFull, isDiskTrouble, isMissing } from './system-error.ts';
import { attended, recordsOf, silentWriterMs, type Upload, type Writing } from './upload.ts';
import { checkDeclaration, toFinishedUpload, type UploadRecord, uploadIdOf } from './upload-record.ts';
import { loadUploads, statusOf } from './uploads.ts';
import { createVerifiedFiles } from './verified-files.ts';
import { createVerifiers, type VerifiersOptions } from './verifiers.ts';

export interface FilesystemPoolOptions {
  /** Folder of the pool; made where it is missing. */
  readonly dir: string;
  readonly maxNarSize: number;
  /** An upload that was not published and that nobody has written to for so long is removed. */
  readonly maxUploadAgeMs: number;
  readonly perOwner: OwnerLimits;
  readonly memory: MemoryLimits;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Told of a folder of the pool that was gone, with all that was in it, and was made again. */
  readonly onRemade?: (folder: string) => void;
  /** Told when an upload that is too old could not be removed. */
  readonly onError?: (error: unknown) => void;
  readonly verifiers?: VerifiersOptions;
}

/** Records of published uploads, kept so that publishing again is recognised. */
const publishedRecords = 1_000;

/** The pool in a folder. One process at a time: whoever opens it holds the lock of the data folder. */
export async function openFilesystemPool(options: FilesystemPoolOptions): Promise<Pool> {
  const layout = createLayout(options.dir);
  await makeFolders();
  const uploads = await loadUploads(layout, options.clock.monotonic);
  const verified = createVerifiedFiles(options.clock);
  const files = createPublishedFiles(layout, verified);
  const verifiers = createVerifiers(options.verifiers);
  const check = createFileCheck(layout, verifiers, verified);
  const receiver = createReceiver(layout, verifiers);
  const budget = createSessionBudget(options.memory);
  const published = new Set<Upload>(Array.from(uploads.all()).filter((upload) => upload.published));
  /** Uploads that are being begun: many at the same time count as well. */
  const beginning = new Set<UploadRecord>();
  let closed = false;
  /** Who asks for what is told by {@link Pool.sweep}; before that, nobody knows. */
  let awaited: ((upload: Upload) => boolean) | undefined;
  const expiry = createExpiry({
    afterMs: options.maxUploadAgeMs,
    clock: options.clock,
    timers: options.timers,
    uploads: uploads.unpublished,
    isAwaited: (upload) => awaited?.(upload) ?? false,
    remove: forget,
    onError: options.onError ?? (() => undefined),
  });
  expiry.arm();

  const pool: Pool = {
    async begin(owner, declared, scan, attempt) {
      const declaration = checkDeclaration(declared);
      const refused = refuseDeclaration(declaration, options.maxNarSize);
      if (refused !== undefined) return { refused };
      const record = {
        owner,
        startedAt: options.clock.now(),
        declaration,
        ...(scan !== undefined && { scan: sharedScan(scan, recordsOf(heldBy(owner))) }),
        ...(attempt !== undefined && { attempt }),
      };
      try {
        const excess = await admit(record);
        if (excess !== undefined) return { refused: excess };
        const remade = await makeFolders();
        if (remade !== undefined) options.onRemade?.(remade);
        const lack = await lackOfRoom(declaration.fileSize);
        if (lack !== undefined && uploads.get(uploadIdOf(record)) === undefined) return { refused: lack };
        let upload = await uploads.begin(record);
        if (!(await settled(upload)) || upload.gone || !(await isSound(upload))) {
          // Refused or abandoned meanwhile; or published once, or found finished at the start, and removed or damaged since: its bytes are wanted anew.
          await forget(upload);
          upload = await uploads.begin(record);
        }
        upload.touchedAt = options.clock.monotonic();
        expiry.arm();
        // All bytes were there when the coordinator was killed; nobody would send more.
        if (upload.offset === declaration.fileSize && upload.finished === undefined && upload.writing === undefined) {
          return await write(upload, nothing());
        }
        return statusOf(upload);
      } catch (error) {
        return { refused: unavailable(error, declaration.fileSize) };
      } finally {
        beginning.delete(record);
      }
    },

    async status(id, owner) {
      const upload = uploads.get(id);
      if (upload?.record.owner !== owner) return undefined;
      return (await settled(upload)) ? statusOf(upload) : undefined;
    },

    async write(id, owner, offset, body) {
      const upload = uploads.get(id);
      if (upload === undefined || upload.spoilt)
        return refuse('unknown-upload', `expected an upload that was begun, got ${id.slice(0, 64)}`);
      if (upload.record.owner !== owner) return refuse('not-your-upload', 'the upload was begun by somebody else');
      if (upload.writing !== undefined) {
        const { stop, ended, silentSince, over } = upload.writing;
        const isSilent = silentSince !== undefined && options.clock.monotonic() - silentSince >= silentWriterMs;
        if (!over && !isSilent) return refuse('upload-busy', 'another request is writing to the upload');
        if (!over) stop.abort();
        await ended;
        return pool.write(id, owner, offset, body);
      }
      if (offset !== upload.offset) {
        const message = `expected the upload to go on at byte ${upload.offset}, got ${offset}`;
        return { refused: { code: 'wrong-offset', message, offset: upload.offset } };
      }
      return upload.finished === undefined ? write(upload, body) : statusOf(upload);
    },

    async finished(id, owner) {
      const upload = uploads.get(id);
      if (upload?.finished === undefined || upload.record.owner !== owner) return undefined;
      if (!(await isSound(upload).catch(throwUnreadable))) return undefined;
      return toFinishedUpload(id, upload.finished);
    },

    async contentHash(id, method) {
      const upload = uploads.get(id);
      const wanted = parseContentMethod(method);
      if (upload?.finished === undefined || wanted === undefined) return undefined;
      const { narHash, compression } = upload.finished.declaration;
      if (wanted.algo === 'sha256') {
        return wanted.flat ? upload.finished.flatSha256 : Buffer.from(parseSha256(narHash)).toString('hex');
      }
      const path = upload.published ? layout.nar(fileOf(upload)) : layout.upload(id).part;
      return verifiers.hash({ path, compression, ...wanted });
    },

    async publish(id) {
      const upload = uploads.get(id);
      if (upload?.finished === undefined)
        throw new DroverError('unknown-upload', `expected a finished upload, got ${id.slice(0, 64)}`);
      if (!(await files.take(layout.upload(id).part, fileOf(upload), upload.fresh))) {
        throw new DroverError('unknown-upload', `the file of upload ${id} was removed`);
      }
      uploads.setPublished(upload, true);
      published.add(upload);
      for (const oldest of published) {
        const tooMany =
          published.size > publishedRecords || declaredBytes(recordsOf(published)) > options.perOwner.declarationBytes;
        if (!tooMany || oldest === upload) break;
        await forget(oldest);
      }
    },

    async abandon(id) {
      const upload = uploads.get(id);
      if (upload !== undefined) await forget(upload);
    },

    *underWay() {
      for (const { gone, record } of uploads.unpublished()) if (!gone) yield record.declaration;
    },

    open: files.open,
    has: files.has,
    check: (item, wish) => check(item, wish).catch(throwUnreadable),
    async listing({ file, narSize }) {
      if (!(await files.has(file))) return undefined;
      return verifiers
        .list({ path: layout.nar(file), compression: file.compression, narSize })
        .catch((error: unknown) => {
          // Damaged since, or gone at this moment: whoever looks for that says so.
          if (isDiskTrouble(error) || (error instanceof Error && ['FormatError', 'Refused'].includes(error.name)))
            return undefined;
          throw error;
        });
    },
    remove: files.remove,
    freeBytes: () => freeBytes(options.dir),

    async sweep(isKnown, isAwaited) {
      if (isAwaited !== undefined) awaited = ({ record }) => isAwaited(record.declaration.path);
      let gone = await uploads.removeLeftovers();
      const oldest = options.clock.now() - options.maxUploadAgeMs;
      const kept = new Set<string>();
      for (const upload of [...uploads.all()]) {
        if (upload.published && !isKnown(fileOf(upload).hash)) await withdraw(upload);
        else if (upload.published) kept.add(fileOf(upload).hash);
        if (upload.writing !== undefined || upload.published || upload.record.startedAt >= oldest) continue;
        if (awaited?.(upload)) continue;
        await forget(upload);
        gone++;
      }
      const swept = await files.sweep((hash) => isKnown(hash) || kept.has(hash) || isPublished(hash));
      return { ...swept, uploads: gone };
    },

    async [Symbol.asyncDispose]() {
      closed = true;
      expiry[Symbol.dispose]();
      const writing = Array.from(uploads.all(), (upload) => upload.writing).filter((current) => current !== undefined);
      for (const { stop } of writing) stop.abort();
      await Promise.all(writing.map(({ ended }) => ended));
      await verifiers[Symbol.asyncDispose]();
    },
  };
  return pool;

  /** Whether the file of what is finished is there and as it was; it is read where this process has not verified it. */
  async function isSound(upload: Upload): Promise<boolean> {
    const { id, finished, published: isThere } = upload;
    if (finished === undefined || (upload.fresh && !isThere)) return true;
    const place = isThere ? undefined : layout.upload(id).part;
    const fault = await check(toFinishedUpload(id, finished).item, { how: 'recent' }, place);
    // Those of a source are vouched for by its path.
    const isRight = fault === undefined || fault.kind === 'wrong-references';
    if (isRight && !isThere) upload.fresh = true;
    return isRight;
  }

  /**
   * Waits for what a sender left who is gone: he would be told to begin before it, and send it again. Gives whether the upload can still be gone on
   * with, which is not so where that was refused.
   */
  async function settled(upload: Upload): Promise<boolean> {
    if (upload.writing?.over) await upload.writing.ended;
    return !upload.spoilt && uploads.get(upload.id) === upload;
  }

  async function write(upload: Upload, body: AsyncIterable<Uint8Array>) {
    if (closed) throw new DroverError('not-ready', 'the pool is closed');
    const refused = budget.admit(upload);
    if (refused !== undefined) return { refused };
    const stop = new AbortController();
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const writing: Writing = { stop, ended };
    upload.writing = writing;
    try {
      return await receive(upload, attended(body, writing, options.clock.monotonic), stop.signal);
    } finally {
      upload.writing = undefined;
      upload.touchedAt = options.clock.monotonic();
      budget.rest(upload);
      expiry.arm();
      end();
    }
  }

  async function receive(upload: Upload, body: AsyncIterable<Uint8Array>, stop: AbortSignal) {
    let refused: UploadRefusal | undefined;
    try {
      refused = (await lackOfRoom(left(upload), upload)) ?? (await receiver.receive(upload, body, stop));
    } catch (error) {
      // A disk that failed to keep some bytes may have lost others; nothing of the upload can be relied on.
      const gone = unavailable(error, left(upload));
      await removeOrSpoil(upload);
      return { refused: gone };
    }
    if (upload.gone) return refuse('unknown-upload', 'the upload was abandoned');
    if (refused === undefined) return statusOf(upload);
    // Where the disk is full, too: what does not fit makes room, so that other uploads can finish.
    await removeOrSpoil(upload);
    return { refused };
  }

  /** A disk that cannot be written to keeps the files as well; then the next upload of that name begins anew all the same. */
  async function removeOrSpoil(upload: Upload): Promise<void> {
    try {
      await uploads.remove(upload);
    } catch (error) {
      if (!isDiskTrouble(error)) throw error;
      upload.spoilt = true;
    }
  }

  /** Also those that somebody removed, with what was in them: what is missing is found out when it is wanted. Gives the first that it made. */
  async function makeFolders(): Promise<string | undefined> {
    const made: (string | undefined)[] = [];
    for (const folder of [layout.nars, layout.uploads]) {
      // Looked for with each upload: a trip to the thread pool takes ten times as long as the call itself.
      if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) continue;
      made.push(await mkdir(folder, { recursive: true, mode: 0o700 }));
    }
    return made.find((folder) => folder !== undefined);
  }

  /** Counts an upload that is about to be begun, or says why its owner may not; what was begun before can be found again. */
  async function admit(record: UploadRecord): Promise<UploadRefusal | undefined> {
    if (uploads.get(uploadIdOf(record)) !== undefined) return undefined;
    const refused = count(record);
    if (refused?.code !== 'too-many-uploads') return refused;
    // What nobody will use any more makes room before anybody has to wait for it: outputs of builds that have ended.
    const idle = heldBy(record.owner).filter(
      (upload) => upload.record.attempt !== undefined && upload.writing === undefined && awaited?.(upload) === false,
    );
    for (const upload of idle) await forget(upload);
    return idle.length === 0 ? refused : count(record);
  }

  /** Nothing waits between the look and the count. */
  function count(record: UploadRecord): UploadRefusal | undefined {
    const held = new Set(recordsOf(heldBy(record.owner)));
    for (const begun of beginning) if (begun.owner === record.owner) held.add(begun);
    const refused = excessOf([...held], record, options.perOwner);
    if (refused === undefined) beginning.add(record);
    return refused;
  }

  function heldBy(owner: string): Upload[] {
    const held: Upload[] = [];
    for (const upload of uploads.unpublished()) if (upload.record.owner === owner) held.push(upload);
    return held;
  }

  /** Refuses at once what would not fit beside what is on its way, instead of when the disk is full. */
  async function lackOfRoom(needed: number, upload?: Upload): Promise<UploadRefusal | undefined> {
    const free = await roomBesideLog(options.dir);
    if (free === undefined) return undefined;
    let others = 0;
    for (const other of uploads.unpublished())
      if (other.writing !== undefined && other !== upload) others += left(other);
    return needed > free - others ? diskFull(needed, Math.max(0, free - others)) : undefined;
  }

  async function forget(upload: Upload): Promise<void> {
    published.delete(upload);
    upload.gone = true;
    upload.writing?.stop.abort();
    await upload.writing?.ended;
    await uploads.remove(upload);
    budget.rest(upload);
  }

  /** Published, but the event was never appended: finished again, so that it can be published by whoever asks. */
  async function withdraw(upload: Upload): Promise<void> {
    published.delete(upload);
    try {
      await rename(layout.nar(fileOf(upload)), layout.upload(upload.id).part);
      uploads.setPublished(upload, false);
    } catch (error) {
      if (!isMissing(error)) throw error;
      await forget(upload);
    }
  }

  function isPublished(hash: string): boolean {
    for (const upload of published) if (fileOf(upload).hash === hash) return true;
    return false;
  }
}

/** What a disk does not take or give now is nobody's failure: whoever sends waits. Other errors pass. */
function unavailable(error: unknown, needed: number): UploadRefusal {
  if (isDiskFull(error)) return diskFull(needed, 0);
  if (!isDiskTrouble(error)) throw error;
  return diskTrouble(error);
}

/** The same where nothing is sent. */
function throwUnreadable(error: unknown): never {
  if (!isDiskTrouble(error)) throw error;
  throw new DroverError('pool-unavailable', `the pool cannot be read: ${error.message}`, {}, { cause: error });
}

function diskFull(needed: number, free: number): UploadRefusal {
  const message = `expected room for the ${needed} bytes of the upload, but ${free} are free in the pool`;
  return { code: 'disk-full', message, room: { needed, free } };
}

/** Bytes that are still to come. */
function left({ record, offset }: Upload): number {
  return record.declaration.fileSize - offset;
}

function refuse(code: UploadRefusal['code'], message: string): { readonly refused: UploadRefusal } {
  return { refused: { code, message } };
}

function refuseDeclaration(declaration: UploadDeclaration, maxNarSize: number): UploadRefusal | undefined {
  const { narSize, fileSize, compression } = declaration;
  if (narSize > maxNarSize) {
    return { code: 'too-large', message: `expected a NAR of at most ${maxNarSize} bytes, got one of ${narSize}` };
  }
  if (compression === 'none' && fileSize !== narSize) {
    return {
      code: 'wrong-nar-size',
      message: `expected a file of ${narSize} bytes, as the NAR, got one of ${fileSize}`,
    };
  }
  const largest = mostFileBytes(narSize);
  if (fileSize > largest) {
    return {
      code: 'too-large',
      message: `expected a file of at most ${largest} bytes for this NAR, got one of ${fileSize}`,
    };
  }
  return undefined;
}

function fileOf(upload: Upload): FinishedUpload['item']['file'] {
  const { finished } = upload;
  if (finished === undefined) throw new Error(`upload ${upload.id} is not finished`);
  return { ...finished.file, compression: finished.declaration.compression };
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
