import { open } from 'node:fs/promises';
import type { UploadRefusal } from '../../../coordinator/ports/pool.ts';
import { syncDirectory } from '../../data-dir/durable.ts';
import type { Layout } from './layout.ts';
import { pump } from './pump.ts';
import { Refused } from './refused.ts';
import { diskTrouble, isDiskFull, isDiskTrouble } from './system-error.ts';
import { dropSession, type Upload } from './upload.ts';
import { writeFinished } from './upload-record.ts';
import { sizeOf } from './uploads.ts';
import { VerifierDied, type VerifierSession, type Verifiers } from './verifiers.ts';

/** Times that a verifier may die at an upload before the upload is taken to be the reason. */
const maxDeaths = 3;

export interface Receiver {
  /**
   * Takes the bytes of `body` at the upload's offset and, when they are all there, verifies the whole. On return the
   * upload's offset is durable, or it is refused and of no use any more. Rejects where the disk fails.
   */
  receive(upload: Upload, body: AsyncIterable<Uint8Array>, stop: AbortSignal): Promise<UploadRefusal | undefined>;
}

export function createReceiver(layout: Layout, verifiers: Verifiers): Receiver {
  return {
    async receive(upload, body, stop) {
      try {
        await take(upload, body, stop);
        return undefined;
      } catch (error) {
        dropSession(upload);
        if (error instanceof Refused) return error.refusal;
        if (isDiskFull(error))
          return { code: 'disk-full', message: 'expected room for the upload, but the disk is full' };
        if (isDiskTrouble(error)) return diskTrouble(error);
        if (!(error instanceof VerifierDied)) throw error;
        return survive(upload, stop);
      }
    },
  };

  async function take(upload: Upload, body: AsyncIterable<Uint8Array>, stop: AbortSignal): Promise<void> {
    const { declaration, scan } = upload.record;
    const { part } = layout.upload(upload.id);
    upload.session ??= await verifiers.open(part, upload.offset === 0, {
      ...declaration,
      ...(scan !== undefined && { scan }),
    });
    const { session } = upload;
    const start = upload.offset;
    const { taken, overflow } = await pump(session, body, declaration.fileSize - start, stop);
    if (overflow) throw new Refused('too-large', `expected ${declaration.fileSize} bytes as declared, got more`);
    if (start + taken === declaration.fileSize) return finish(upload, session);
    if (taken === 0) return;
    await session.sync();
    await makeDurable(upload);
    upload.offset = start + taken;
  }

  async function finish(upload: Upload, session: VerifierSession): Promise<void> {
    const { scan: _, ...begun } = upload.record;
    const { declaration } = begun;
    const { fileHash, ...flat } = await session.finish();
    const record = { ...begun, file: { hash: fileHash, size: declaration.fileSize }, ...flat };
    await writeFinished(layout, upload.id, record);
    await syncDirectory(layout.uploads);
    dropSession(upload);
    upload.offset = declaration.fileSize;
    upload.finished = record;
    upload.fresh = true;
  }

  /** Once for each upload that does not come in one piece. */
  async function makeDurable(upload: Upload): Promise<void> {
    if (upload.durable) return;
    const paths = layout.upload(upload.id);
    const file = await open(paths.declaration, 'r');
    try {
      await file.sync();
    } finally {
      await file.close();
    }
    await syncDirectory(paths.folder);
    await syncDirectory(layout.uploads);
    upload.durable = true;
  }

  /** The next writer goes on with what is on disk, unless this upload looks like the reason, or the pool is closing. */
  async function survive(upload: Upload, stop: AbortSignal): Promise<UploadRefusal | undefined> {
    if (!stop.aborted) upload.deaths++;
    if (upload.deaths >= maxDeaths) {
      return { code: 'malformed-nar', message: `the verifier stopped ${upload.deaths} times at this upload` };
    }
    upload.offset = (await sizeOf(layout.upload(upload.id).part)) ?? 0;
    return undefined;
  }
}
