/**
 * Encoding of the worker protocol: numbers are 64 bits, little-endian; strings have their length before them and zeros up to
 * the next multiple of 8 after them. A text is bytes, one character each (latin1), since a derivation is.
 */
export interface WireWriter {
  u64(value: number | bigint): WireWriter;
  bool(value: boolean): WireWriter;
  text(value: string): WireWriter;
  texts(values: readonly string[]): WireWriter;
  /** Everything written so far. */
  take(): Buffer;
}

export function createWireWriter(): WireWriter {
  let parts: Buffer[] = [];
  const writer: WireWriter = {
    u64(value) {
      const part = Buffer.alloc(8);
      part.writeBigUInt64LE(BigInt(value));
      parts.push(part);
      return writer;
    },
    bool: (value) => writer.u64(value ? 1 : 0),
    text(value) {
      const padded = Buffer.alloc(8 + padTo8(value.length));
      padded.writeBigUInt64LE(BigInt(value.length));
      padded.write(value, 8, 'latin1');
      parts.push(padded);
      return writer;
    },
    texts(values) {
      writer.u64(values.length);
      for (const value of values) writer.text(value);
      return writer;
    },
    take() {
      const all = Buffer.concat(parts);
      parts = [];
      return all;
    },
  };
  return writer;
}

/** The next multiple of 8. */
export function padTo8(length: number): number {
  return Math.ceil(length / 8) * 8;
}

/** The head of one frame of a framed stream; the bytes follow without padding. A frame of length 0 ends the stream. */
export function frameHead(length: number): Buffer {
  const head = Buffer.alloc(8);
  head.writeBigUInt64LE(BigInt(length));
  return head;
}
