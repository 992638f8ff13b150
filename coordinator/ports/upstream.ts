import type { UpstreamItem } from '../../domain/item/events.ts';
import type { NarInfo } from '../../domain/store/narinfo.ts';

/** Why an upstream gave no answer. `name` survives copies of the package. */
export class UpstreamError extends Error {
  override readonly name = 'UpstreamError';
  /** Whether its connection ended or fell silent, which is no word on what it has. */
  readonly isCut: boolean;

  constructor(message: string, { isCut = false, ...options }: ErrorOptions & { readonly isCut?: boolean } = {}) {
    super(message, options);
    this.isCut = isCut;
  }
}

/** What an upstream says of an item. */
export interface SignedInfo extends NarInfo {
  /** Those of its signatures that a key of the upstream has made over what it says, where that was checked on the way already. */
  readonly holding?: readonly string[];
}

/**
 * Another binary cache, read side. What it says is believed nothing; failures reject, with {@link UpstreamError} where they are its own. `via` says on
 * whose behalf it is asked, where other coordinators ask for it here.
 */
export interface UpstreamCache extends Disposable {
  /** The text of its `nix-cache-info`; `undefined` if it has none. */
  info(signal: AbortSignal): Promise<string | undefined>;
  /** `undefined` if it does not have it. */
  narinfo(hashPart: string, signal: AbortSignal, via?: string): Promise<SignedInfo | undefined>;
  /** The NAR that a narinfo names, decompressed while it comes; `undefined` if it is not there. One that never gets on ends with an error. */
  nar(
    file: Pick<NarInfo, 'url' | 'compression' | 'narSize'>,
    signal: AbortSignal,
    via?: string,
  ): Promise<AsyncIterable<Uint8Array> | undefined>;
  /** What is wrong with the NAR that it gives now, where that is found out beside this thread; otherwise its reader does. */
  fault?(item: SignedNar, signal: AbortSignal): Promise<NarFault | undefined>;
}

/** What was signed of a NAR, and where it is to be. */
export type SignedNar = Pick<UpstreamItem, 'path' | 'url' | 'compression' | 'narHash' | 'narSize'>;

/** Why an upstream does not give what it signed. */
export interface NarFault {
  readonly reason: string;
  /** `wrong`: it gives something else, or nothing; `silent`: it gives no answer, and may only be away. */
  readonly how: 'wrong' | 'silent';
}
