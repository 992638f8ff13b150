import type { Http } from '../../client/http.ts';

/** A binary cache that a folder is filled from. */
export interface CacheSource {
  /** The narinfo of a hash part; `undefined` where it serves none. */
  narinfo(hashPart: string): Promise<string | undefined>;
  /** Gives NARs out, by the URL of their narinfo. */
  readonly nars: Http;
}
