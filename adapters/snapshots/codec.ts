import { Packr, Unpackr } from 'msgpackr';

/** A part of a snapshot as it is written: columns as they lie in memory, everything else as MessagePack. */
export interface EncodedPart {
  readonly name: string;
  readonly kind: keyof typeof columns | 'value';
  readonly bytes: Uint8Array;
}

const columns = { int32: Int32Array, float64: Float64Array, float32: Float32Array, uint8: Uint8Array } as const;

const options = { moreTypes: true, mapsAsObjects: false, useRecords: true } as const;

/** What {@link EncodedPart} is made of is plain (projections/memory.ts). Numbers are in this machine's byte order. */
export function encodePart(name: string, saved: unknown): EncodedPart {
  for (const [kind, Type] of Object.entries(columns) as [keyof typeof columns, (typeof columns)['int32']][])
    if (saved instanceof Type && saved.constructor === Type)
      return { name, kind, bytes: new Uint8Array(saved.buffer, saved.byteOffset, saved.byteLength) };
  return { name, kind: 'value', bytes: new Packr(options).pack(saved) };
}

/** @throws on what {@link encodePart} has not written */
export function decodePart({ kind, bytes }: EncodedPart): unknown {
  if (kind === 'value') return new Unpackr(options).unpack(bytes);
  const Type = columns[kind];
  // What is read in one piece may lie at an odd place in it. (A `slice` of a Buffer is no copy.)
  const own = bytes.byteOffset % Type.BYTES_PER_ELEMENT === 0 ? bytes : new Uint8Array(bytes);
  return new Type(own.buffer as ArrayBuffer, own.byteOffset, own.byteLength / Type.BYTES_PER_ELEMENT);
}
