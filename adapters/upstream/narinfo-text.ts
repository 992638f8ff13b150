import { UpstreamError } from '../../coordinator/ports/upstream.ts';
import { type NarInfo, parseNarinfo } from '../../domain/store/narinfo.ts';

/** Longest narinfo that is read, in bytes. */
export const maxNarinfoBytes = 4 * 1024 * 1024;

export function narinfoOf(text: string, what: string): NarInfo {
  try {
    return parseNarinfo(text);
  } catch (error) {
    throw new UpstreamError(`${what}: ${(error as Error).message}`, { cause: error });
  }
}
