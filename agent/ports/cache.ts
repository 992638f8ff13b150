import type { NarInfo } from '../../domain/store/narinfo.ts';

/** The coordinator's binary cache, read side. Failures reject with {@link TransferError}. */
export interface Cache {
  /** `undefined` if the cache does not have it. */
  narinfo(hashPart: string, signal: AbortSignal): Promise<NarInfo | undefined>;
  /** The NAR, decompressed; `undefined` if it is not there. */
  nar(narinfo: NarInfo, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | undefined>;
}
