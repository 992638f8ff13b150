import type { Http } from '../../client/http.ts';
import type { NarInfo } from '../../domain/store/narinfo.ts';

/** A binary cache that a folder is filled from. */
export interface CacheSource {
  /** The narinfo of a hash part; `undefined` where it serves none. */
  narinfo(hashPart: string): Promise<string | undefined>;
  /**
   * Puts the bytes of a NAR into a new file, where that can be done without copying them; they are verified as any that came. Does nothing
   * otherwise.
   */
  place?(info: NarInfo, file: string): Promise<void>;
  /** Gives NARs out, by the URL of their narinfo. */
  readonly nars: Http;
}
