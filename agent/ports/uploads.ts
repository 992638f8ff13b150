/** What the coordinator is told of a NAR before it gets it; paths are base names. */
export interface UploadWish {
  readonly path: string;
  readonly narHash: string;
  readonly narSize: number;
  readonly references: readonly string[];
  readonly compression: 'none' | 'zstd';
  readonly fileSize: number;
  readonly deriver?: string;
  readonly build: string;
  readonly attempt: number;
}

export interface UploadState {
  readonly id: string;
  /** Bytes that the coordinator has safely. */
  readonly offset: number;
  readonly finished: boolean;
}

/** Resumable uploads to the coordinator. Failures reject with {@link TransferError}. */
export interface Uploads {
  /** Begins, or finds the one begun with the same wish; `item-exists` if the coordinator has the item already. */
  begin(wish: UploadWish, signal: AbortSignal): Promise<UploadState | 'item-exists'>;
  status(id: string, signal: AbortSignal): Promise<UploadState>;
  /** Sends `body`, which is the file from `offset` on, `size` bytes. */
  write(
    id: string,
    offset: number,
    size: number,
    body: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<UploadState>;
}
