import type { DirectUpstreamSettings } from '../../domain/agent/messages.ts';

/** A binary cache beside the coordinator's, for the bytes alone: what an item is, its signed narinfo says. */
export interface DirectUpstream {
  /** One of which has to have signed an item that is fetched from here. */
  readonly publicKeys: readonly string[];
  /** The NAR, decompressed; `undefined` if it is not there. Any failure rejects, or ends the NAR with an error. */
  nar(
    file: { readonly url: string; readonly compression: string; readonly narSize: number },
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array> | undefined>;
}

/** The upstreams from which agents fetch themselves, as the coordinator said last. */
export interface DirectUpstreams {
  told(upstreams: readonly DirectUpstreamSettings[]): void;
  /** `undefined` where there is none of that name, or it is left alone after failures. */
  of(name: string): DirectUpstream | undefined;
}
