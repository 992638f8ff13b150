import { DroverError } from '../../coordinator/errors.ts';

export interface LineLimits {
  /** Longest line in bytes, without its end. */
  readonly line: number;
  /** Most bytes in all. */
  readonly total: number;
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
  const add = (part: Uint8Array) => {
    held += part.length;
    if (held > limits.line)
      throw new DroverError('body-too-large', `expected lines of at most ${limits.line} bytes, got a longer one`);
    if (part.length > 0) parts.push(part);
  };
  const take = (): Buffer => {
    const line = parts.length === 1 ? bufferOf(parts[0] as Uint8Array) : Buffer.concat(parts, held);
    parts = [];
    held = 0;
    return line;
  };
  for await (const chunk of source) {
    total += chunk.length;
    if (total > limits.total)
      throw new DroverError('body-too-large', `expected at most ${limits.total} bytes, got more`);
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

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
