import { DroverError } from '../../coordinator/errors.ts';
import { bodyTooLarge } from './streamed-body.ts';

export interface LineLimits {
  /** Longest line in bytes, without its end. */
  readonly line: number;
  /** Most bytes in all. */
  readonly total: number;
  /** The refusal of a line that is too long, by its number and its beginning. */
  readonly tooLong?: (number: number, beginning: string) => DroverError;
}

const newline = 10;

/**
 * Cuts a stream into lines, the last of which may lack its end; empty lines are left out. Holds one line and one chunk at
 * a time, and reads no further than it is asked to. Throws `body-too-large` for a line or a body over the limits.
 */
export async function* splitLines(source: AsyncIterable<Uint8Array>, limits: LineLimits): AsyncGenerator<Buffer> {
  let parts: Uint8Array[] = [];
  let held = 0;
  let total = 0;
  let number = 0;
  const { tooLong = longLine } = limits;
  const add = (part: Uint8Array) => {
    held += part.length;
    if (held > limits.line) {
      const beginning = Buffer.concat([...parts, part].map((bytes) => bytes.subarray(0, 1024))).toString('latin1');
      throw tooLong(number + 1, beginning);
    }
    if (part.length > 0) parts.push(part);
  };
  const take = (): Buffer => {
    number++;
    const line = parts.length === 1 ? bufferOf(parts[0] as Uint8Array) : Buffer.concat(parts, held);
    parts = [];
    held = 0;
    return line;
  };
  for await (const chunk of source) {
    total += chunk.length;
    if (total > limits.total) throw bodyTooLarge(limits.total);
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      add(chunk.subarray(start, end));
      start = end + 1;
      if (held > 0) yield take();
    }
    add(chunk.subarray(start));
  }
  if (held > 0) yield take();
}

function longLine(number: number): DroverError {
  return new DroverError('body-too-large', `expected shorter lines, got a longer one as line ${number}`);
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
