import type { Runtime } from '../../coordinator/ports/runtime.ts';
import { backOff } from '../back-off.ts';
import type { Limiter } from '../limiter.ts';
import type { AttemptFiles } from '../ports/attempt-store.ts';
import { isAway, isTransferError, mayPass, TransferError } from '../ports/transfer-error.ts';
import type { UploadState, Uploads, UploadWish } from '../ports/uploads.ts';
import type { Waits } from '../waits.ts';
import type { PartSize } from './part-size.ts';

export interface UploadOptions {
  readonly uploads: Uploads;
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
  /** Held for each request, and not for the pauses: an upload that waits keeps no other from going on. */
  readonly limiter: Limiter;
  readonly parts: PartSize;
  /** Told why the upload waits. */
  readonly waits: Waits;
  /** Answers that are nobody's absence in a row, without a byte of progress, after which it is given up. Default 30. */
  readonly tries?: number;
}

/** Parts that were cut in a row without a byte of progress, after which smaller ones are tried. */
const cutsBeforeSmaller = 3;

/**
 * Uploads a spooled output, going on where it was after every cut. Without a coordinator, or without room there, it goes on
 * trying for as long as the attempt lives: the work is done and must not be lost. Resolves with the finished upload's id, none
 * if the coordinator has the item already; rejects where the coordinator refuses it, or a proxy even its smallest part.
 */
export async function uploadOutput(
  options: UploadOptions,
  wish: UploadWish,
  files: Pick<AttemptFiles, 'readSpool'>,
  output: string,
): Promise<{ readonly id?: string }> {
  const { uploads, runtime, signal, limiter, parts, waits } = options;
  const tries = options.tries ?? 30;
  let state: UploadState | undefined;
  let failures = 0;
  let answeredBadly = 0;
  let cuts = 0;

  /** One request further: begins the upload, asks how far it is, or sends a part. Resolves with how it ended, if it did. */
  async function step(): Promise<{ readonly id?: string } | undefined> {
    if (state === undefined) {
      const begun = await uploads.begin(wish, signal);
      if (begun === 'item-exists') return {};
      state = begun;
    } else if (failures > 0) state = await uploads.status(state.id, signal);
    if (state.finished) return { id: state.id };
    const { id, offset }: UploadState = state;
    const size = Math.min(wish.fileSize - offset, parts.most);
    state = await sendPart(id, offset, size);
    if (state.finished) return { id: state.id };
    if (state.offset > offset) {
      answeredBadly = 0;
      cuts = 0;
    }
    // Cut, but some of it may have arrived.
    failures = state.offset === offset + size ? 0 : failures + 1;
    return undefined;
  }

  async function sendPart(id: string, offset: number, size: number): Promise<UploadState> {
    try {
      return await uploads.write(id, offset, size, files.readSpool(output, offset, size), signal);
    } catch (error) {
      if (!isTransferError(error)) throw error;
      // By a proxy: the coordinator itself has no limit for parts.
      if (error.status === 413 && !parts.refused(size)) {
        throw new TransferError(
          'proxy-limit',
          `${wish.path}: a proxy before the coordinator takes no request of ${size} bytes; raise its limit (client_max_body_size, for nginx): ${error.message}`,
          { status: error.status },
        );
      }
      // Some proxies say nothing and close the connection.
      if (error.status === 0 && ++cuts % cutsBeforeSmaller === 0) parts.refused(size);
      throw error;
    }
  }

  try {
    for (;;) {
      signal.throwIfAborted();
      try {
        const done = await limiter.run(signal, step);
        waits.over(output);
        if (done) return done;
      } catch (error) {
        signal.throwIfAborted();
        failures++;
        if (!isTransferError(error)) throw error;
        if (error.status === 413 && error.code !== 'proxy-limit' && state !== undefined) continue;
        if (error.code === 'unknown-upload') state = undefined;
        // Somebody counts otherwise than we do: ask.
        else if (error.code === 'wrong-offset' && state !== undefined) answeredBadly++;
        else if (isAway(error)) waits.begin(output, 'upload', error.message);
        else if (!mayPass(error)) throw ofOutput(error, wish.path);
        else answeredBadly++;
        if (answeredBadly >= tries) throw error;
        await backOff(runtime, failures, { first: 250, most: 30_000 }, signal);
      }
    }
  } finally {
    waits.over(output);
  }
}

/** Whoever reads of a refusal knows outputs, not uploads. */
function ofOutput({ code, message, status, offset }: TransferError, path: string): TransferError {
  return new TransferError(code, message.startsWith(path) ? message : `${path}: ${message}`, { status, offset });
}
