import { narLimits } from '../../domain/store/nar-limits.ts';
import { createNarParser } from '../../domain/store/nar-parser.ts';

/** A file that is all that is in a NAR. */
export interface FlatFile {
  /** Bytes. */
  readonly size: number;
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Ends the NAR. So do `bytes`, read to their end or left. */
  close(): Promise<void>;
}

/**
 * What is in the NAR of one regular file; `undefined` of any other, and `nar` has ended then. The bytes come as the NAR does, and have to be read or
 * closed.
 *
 * @throws FormatError where it is no NAR
 */
export async function flatFile(nar: AsyncIterable<Uint8Array>, narSize: number): Promise<FlatFile | undefined> {
  let found: { readonly size: number; readonly offset: number } | undefined;
  let isOther = false;
  const other = () => {
    isOther = true;
  };
  const parser = createNarParser(narSize, narLimits, {
    file(path, size, _executable, offset) {
      if (path.length === 0) found = { size, offset };
    },
    symlink: other,
    directory: other,
    close: () => {},
  });
  const each = nar[Symbol.asyncIterator]();
  let place = 0;
  let first: Uint8Array = new Uint8Array();
  try {
    while (found === undefined && !isOther) {
      const { done, value } = await each.next();
      if (done) break;
      parser.write(value);
      place += first.length;
      first = value;
    }
  } catch (error) {
    await each.return?.();
    throw error;
  }
  if (found === undefined) {
    await each.return?.();
    return undefined;
  }
  const bytes = slice(each, first, found.offset - place, found.size);
  const close = async (): Promise<void> => void (await each.return?.());
  const iterator: AsyncIterator<Uint8Array> = {
    next: () => bytes.next(),
    // A generator of which nothing was read does not come to its `finally`.
    async return() {
      await close();
      return bytes.return(undefined);
    },
  };
  return { size: found.size, bytes: { [Symbol.asyncIterator]: () => iterator }, close };
}

/** `size` bytes from `start` on of `first` and what follows it. */
async function* slice(
  each: AsyncIterator<Uint8Array>,
  first: Uint8Array,
  start: number,
  size: number,
): AsyncGenerator<Uint8Array> {
  let left = size;
  try {
    for (let chunk = first.subarray(start); left > 0; ) {
      if (chunk.length > 0) yield chunk.subarray(0, left);
      left -= Math.min(left, chunk.length);
      if (left === 0) break;
      const { done, value } = await each.next();
      if (done) throw new Error(`expected ${left} more bytes of a file in a NAR, got its end`);
      chunk = value;
    }
  } finally {
    await each.return?.();
  }
}
