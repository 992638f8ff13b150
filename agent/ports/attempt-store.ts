import type { AttemptRecord } from '../attempt-record.ts';

/** What the agent keeps on disk: its attempts with their logs and what is still to be uploaded. */
export interface AttemptStore extends AsyncDisposable {
  /** All attempts that were kept; called once, at start. What cannot be read is put aside and reported as `damaged`. */
  load(): Promise<{
    readonly attempts: readonly { record: AttemptRecord; files: AttemptFiles }[];
    readonly damaged: readonly string[];
  }>;
  /** Makes room for a new attempt. */
  create(record: AttemptRecord): Promise<AttemptFiles>;
  /**
   * Whether attempts can be kept: the folder is there, it is ours and can be written to. What a removed folder lacks is made
   * again once the folder itself is there. Rejects with what is wrong and what to do.
   */
  check(): Promise<void>;
}

/** Spooled outputs of fewer bytes are read again after a restart, and sent in one request: that is less work than to sync them before. */
export const syncedSpoolBytes = 1024 * 1024;

export interface AttemptFiles {
  /**
   * Replaces the record in one step; it outlives the agent. From `uploading` on it outlives a power cut too, or the one
   * before it does, from which the agent comes to the same end. Of an attempt that was not built a power cut may leave nothing.
   */
  save(record: AttemptRecord): Promise<void>;
  /** Bytes of the log that were written. */
  readonly logSize: number;
  /** Appends to the log; resolves once the bytes can be read back. */
  appendLog(bytes: Uint8Array): Promise<void>;
  /** Up to `most` bytes of the log from `offset` on. */
  readLog(offset: number, most: number): Promise<Uint8Array>;
  /**
   * Keeps `nar`, compressed, for the output; resolves with the size of the file, durable from {@link syncedSpoolBytes} on. Rejects with an error whose
   * code is `ENOSPC` or `EDQUOT` where the disk is full.
   */
  spool(output: string, nar: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<number>;
  /** Size of the file that was spooled; `undefined` if there is none, or a power cut has left another than the NAR of that hash. */
  spooled(output: string, narHash: string): Promise<number | undefined>;
  /** `size` bytes of what was spooled, from `offset` on. Throws where there are fewer. */
  readSpool(output: string, offset: number, size: number): AsyncIterable<Uint8Array>;
  /** Leaves everything where it is, for another start. */
  close(): Promise<void>;
  /** Forgets the attempt and all its files. */
  remove(): Promise<void>;
}
