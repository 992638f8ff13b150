import { BuilderError } from '../../../agent/ports/builder.ts';
import { padTo8 } from './wire-writer.ts';

/** Largest string taken from a daemon, in bytes: a log line or an error message, not a NAR. */
export const maxTextBytes = 64 * 1024 * 1024;
/** Most elements taken in a list. */
const maxElements = 1_000_000;

/** Decoding of the worker protocol from a stream of chunks. Every method throws {@link BuilderError} `protocol` where the bytes are not what they should be. */
export interface WireReader {
  u64(): Promise<number>;
  /** For values that use all 64 bits, such as activity ids. */
  u64big(): Promise<bigint>;
  bytes(limit?: number): Promise<Buffer>;
  /** A string as bytes, one character each. */
  text(limit?: number): Promise<string>;
  texts(): Promise<string[]>;
  /** What is there of the next `most` bytes, at least one. */
  some(most: number): Promise<Buffer>;
}

export function createWireReader(source: AsyncIterable<Uint8Array>): WireReader {
  const chunks = source[Symbol.asyncIterator]();
  let held: Buffer = Buffer.alloc(0);

  async function more(): Promise<Buffer> {
    let next: IteratorResult<Uint8Array>;
    try {
      next = await chunks.next();
    } catch (error) {
      throw new BuilderError('unavailable', `the daemon is gone: ${(error as Error).message}`, { cause: error });
    }
    if (next.done === true) throw new BuilderError('unavailable', 'the daemon closed the connection');
    return Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength);
  }

  async function exactly(length: number): Promise<Buffer> {
    if (held.length < length) {
      const parts = [held];
      let size = held.length;
      while (size < length) {
        const chunk = await more();
        parts.push(chunk);
        size += chunk.length;
      }
      held = Buffer.concat(parts, size);
    }
    const taken = held.subarray(0, length);
    held = held.subarray(length);
    return taken;
  }

  async function u64big(): Promise<bigint> {
    return (await exactly(8)).readBigUInt64LE();
  }
  async function u64(): Promise<number> {
    const value = await u64big();
    if (value > BigInt(Number.MAX_SAFE_INTEGER))
      throw new BuilderError('protocol', `expected a number below 2^53, got ${value}`);
    return Number(value);
  }
  async function bytes(limit = maxTextBytes): Promise<Buffer> {
    const length = await u64();
    if (length > limit) throw new BuilderError('protocol', `expected a string of up to ${limit} bytes, got ${length}`);
    const padded = await exactly(padTo8(length));
    for (let index = length; index < padded.length; index++) {
      if (padded[index] !== 0)
        throw new BuilderError('protocol', `expected zeros after a string, got ${padded[index]}`);
    }
    return padded.subarray(0, length);
  }
  async function text(limit?: number): Promise<string> {
    return (await bytes(limit)).toString('latin1');
  }

  return {
    u64,
    u64big,
    bytes,
    text,
    async texts() {
      const count = await u64();
      if (count > maxElements)
        throw new BuilderError('protocol', `expected a list of up to ${maxElements}, got ${count}`);
      const values: string[] = [];
      for (let index = 0; index < count; index++) values.push(await text());
      return values;
    },
    async some(most) {
      if (held.length === 0) held = await more();
      const taken = held.subarray(0, most);
      held = held.subarray(taken.length);
      return taken;
    },
  };
}
