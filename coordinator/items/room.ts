import type { Core } from '../core.ts';

/** Uploads that the pool had no room for or could not take, for whoever watches over the disk. */
export interface Room {
  /** An upload of `bytes` was refused; `free` is what there was, `trouble` what is wrong where it is not the room. */
  refused(upload: string, path: string, bytes: number, free: number | undefined, trouble?: string): void;
  /** Bytes of the upload were taken. */
  taken(upload: string): void;
  /** Uploads that were refused lately and have not gone on since. */
  readonly waiting: number;
  /** Refusals since the start. */
  readonly refusals: number;
  /** What an operator has to know, while there is something. */
  readonly warning: string | undefined;
  [Symbol.dispose](): void;
}

/** Agents ask again at least every 30 s: what is not asked for again has gone another way. */
const forgottenMs = 120_000;

interface Waiting {
  readonly path: string;
  readonly bytes: number;
  readonly timer: Disposable;
}

export function createRoom({ runtime, logger }: Pick<Core, 'runtime' | 'logger'>): Room {
  const waiting = new Map<string, Waiting>();
  let refusals = 0;
  let free: number | undefined;
  let trouble: string | undefined;

  function forget(upload: string): void {
    const entry = waiting.get(upload);
    if (!entry) return;
    entry.timer[Symbol.dispose]();
    waiting.delete(upload);
    if (waiting.size === 0) logger.info('no upload waits for the pool any more');
  }

  function describe(): string {
    const bytes = [...waiting.values()].reduce((sum, one) => sum + one.bytes, 0);
    const [first] = waiting.values();
    const what = waiting.size === 1 ? `an upload waits (${first?.path})` : `${waiting.size} uploads wait`;
    if (trouble !== undefined) return `${trouble}: ${what}`;
    const has = free === undefined ? 'its disk is full' : `${free} are free`;
    return `the pool has no room: ${what}, ${bytes} bytes are needed, ${has}`;
  }

  return {
    refused(upload, path, bytes, now, wrong) {
      refusals++;
      free = now;
      const isNews = waiting.size === 0 || (trouble === undefined) !== (wrong === undefined);
      trouble = wrong;
      waiting.get(upload)?.timer[Symbol.dispose]();
      waiting.set(upload, { path, bytes, timer: runtime.timers.after(forgottenMs, () => forget(upload)) });
      if (isNews) logger.warn(describe());
    },
    taken: forget,
    get waiting() {
      return waiting.size;
    },
    get refusals() {
      return refusals;
    },
    get warning() {
      return waiting.size === 0 ? undefined : describe();
    },
    [Symbol.dispose]() {
      for (const { timer } of waiting.values()) timer[Symbol.dispose]();
      waiting.clear();
    },
  };
}
