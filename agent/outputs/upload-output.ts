import type { Runtime } from '../../coordinator/ports/runtime.ts';
import { backOff } from '../back-off.ts';
import type { AttemptFiles } from '../ports/attempt-store.ts';
import { isTransferError, mayPass } from '../ports/transfer-error.ts';
import type { UploadState, Uploads, UploadWish } from '../ports/uploads.ts';

export interface UploadOptions {
  readonly uploads: Uploads;
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
  /** Answers of an unwell coordinator in a row, without a byte of progress, after which it is given up. Default 30. */
  readonly tries?: number;
}

/**
 * Uploads a spooled output, going on where it was after every cut. Without a coordinator it goes on trying for as long as
 * the attempt lives: the work is done and must not be lost. Resolves with the finished upload's id, none if the coordinator
 * has the item already; rejects where the coordinator refuses it.
 */
export async function uploadOutput(
  options: UploadOptions,
  wish: UploadWish,
  files: Pick<AttemptFiles, 'readSpool'>,
  output: string,
): Promise<{ readonly id?: string }> {
  const { uploads, runtime, signal } = options;
  const tries = options.tries ?? 30;
  let state: UploadState | undefined;
  let failures = 0;
  let answeredBadly = 0;

  for (;;) {
    signal.throwIfAborted();
    try {
      if (state === undefined) {
        const begun = await uploads.begin(wish, signal);
        if (begun === 'item-exists') return {};
        state = begun;
      } else if (failures > 0) state = await uploads.status(state.id, signal);
      if (state.finished) return { id: state.id };
      const { id, offset }: UploadState = state;
      state = await uploads.write(id, offset, wish.fileSize - offset, files.readSpool(output, offset), signal);
      if (state.offset > offset) {
        failures = 0;
        answeredBadly = 0;
      }
      if (state.finished) return { id: state.id };
      // Cut, but some of it arrived.
      failures++;
    } catch (error) {
      signal.throwIfAborted();
      if (isTransferError(error) && error.code === 'wrong-offset' && state !== undefined) {
        // Somebody counts otherwise than we do: ask.
      } else if (isTransferError(error) && error.code === 'unknown-upload') state = undefined;
      else if (!mayPass(error)) throw error;
      failures++;
      if (isTransferError(error) && error.status !== 0) answeredBadly++;
      if (answeredBadly >= tries) throw error;
      await backOff(runtime, failures, { first: 250, most: 30_000 }, signal);
    }
  }
}
