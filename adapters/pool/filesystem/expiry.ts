import type { Clock, Timers } from '../../../coordinator/ports/runtime.ts';
import type { Upload } from './upload.ts';

export interface ExpiryOptions {
  /** How long an upload may lie without being written to, in milliseconds. */
  readonly afterMs: number;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly timers: Timers;
  /** Those that are not published. */
  readonly uploads: () => Iterable<Upload>;
  /** Somebody may come back for it, however long that takes. */
  readonly isAwaited: (upload: Upload) => boolean;
  readonly remove: (upload: Upload) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

export interface Expiry extends Disposable {
  /** Sets the clock going, where it is not: there may be an upload to wait for. */
  arm(): void;
}

/** Removes uploads that nobody goes on with, one deadline at a time: that of the one which has been lying longest. */
export function createExpiry({ afterMs, clock, timers, uploads, isAwaited, remove, onError }: ExpiryOptions): Expiry {
  let armed: Disposable | undefined;
  let disposed = false;

  const resting = function* () {
    for (const upload of uploads()) if (upload.writing === undefined) yield upload;
  };

  async function expire(): Promise<void> {
    const oldest = clock.monotonic() - afterMs;
    for (const upload of [...resting()]) {
      if (upload.touchedAt > oldest || upload.writing !== undefined) continue;
      if (isAwaited(upload)) upload.touchedAt = clock.monotonic();
      else await remove(upload);
    }
  }

  function arm(): void {
    if (armed !== undefined || disposed) return;
    let next = Number.POSITIVE_INFINITY;
    for (const { touchedAt } of resting()) next = Math.min(next, touchedAt);
    if (next === Number.POSITIVE_INFINITY) return;
    // Not sooner than a second, so that what cannot be removed does not keep the processor busy.
    armed = timers.after(Math.max(1000, next + afterMs - clock.monotonic()), () => {
      expire()
        .catch(onError)
        .finally(() => {
          armed = undefined;
          arm();
        });
    });
  }

  return {
    arm,
    [Symbol.dispose]() {
      disposed = true;
      armed?.[Symbol.dispose]();
    },
  };
}
