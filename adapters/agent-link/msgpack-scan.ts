/** Deepest nesting of maps and arrays in a frame; the deepest one that the protocol has needs 5. */
export const maxFrameDepth = 16;

/**
 * Says what is wrong with `data` as one msgpack value, or `undefined` if nothing is. It allocates nothing and does not
 * recurse, so that it can be asked of bytes from anybody before a decoder that does both sees them.
 *
 * Refused: nesting deeper than {@link maxFrameDepth}, lengths that point past the end, bytes after the value, map keys
 * that are not strings, and extension types, which the protocol does not use. Source: the msgpack specification.
 */
export function msgpackFault(data: Uint8Array): string | undefined {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const size = data.length;
  /** Values still to come at each depth; for maps keys count as values. */
  const left = new Float64Array(maxFrameDepth + 1);
  const isMap = new Uint8Array(maxFrameDepth + 1);
  left[0] = 1;
  let depth = 0;
  let at = 0;

  while (true) {
    while (left[depth] === 0) {
      if (depth === 0) return at === size ? undefined : `expected the end at byte ${at}, got ${size - at} more bytes`;
      depth--;
    }
    if (at >= size) return `expected more than ${size} bytes`;
    const wantsKey = isMap[depth] === 1 && (left[depth] as number) % 2 === 0;
    left[depth] = (left[depth] as number) - 1;
    const tag = data[at] as number;
    if (wantsKey && !isStringTag(tag)) return `expected a string as key of a map at byte ${at}, got ${hex(tag)}`;

    const head = headSize(tag);
    if (head === 0) return `expected a type of the protocol at byte ${at}, got ${hex(tag)}`;
    if (at + head > size) return `expected more than ${size} bytes`;
    const children = childCount(tag, view, at);
    if (children === undefined) {
      at += head + contentSize(tag, view, at);
      if (at > size) return `expected more than ${size} bytes`;
      continue;
    }
    at += head;
    // Each value takes a byte at least: a count that cannot be is refused before anybody allocates for it.
    if (children > size - at) return `expected more than ${size} bytes`;
    if (depth === maxFrameDepth) return `expected nesting of at most ${maxFrameDepth}, got more at byte ${at}`;
    depth++;
    left[depth] = children;
    isMap[depth] = isMapTag(tag) ? 1 : 0;
  }
}

function isStringTag(tag: number): boolean {
  return (tag >= 0xa0 && tag <= 0xbf) || (tag >= 0xd9 && tag <= 0xdb);
}

function isMapTag(tag: number): boolean {
  return (tag >= 0x80 && tag <= 0x8f) || tag === 0xde || tag === 0xdf;
}

/** Bytes of the tag and of the length, count or number that follows it; 0 for a tag that is refused. */
function headSize(tag: number): number {
  if (tag <= 0xbf || tag >= 0xe0) return 1;
  switch (tag) {
    case 0xc0: // nil
    case 0xc2: // false
    case 0xc3: // true
      return 1;
    case 0xc4: // bin 8
    case 0xcc: // uint 8
    case 0xd0: // int 8
    case 0xd9: // str 8
      return 2;
    case 0xc5: // bin 16
    case 0xcd: // uint 16
    case 0xd1: // int 16
    case 0xda: // str 16
    case 0xdc: // array 16
    case 0xde: // map 16
      return 3;
    case 0xc6: // bin 32
    case 0xca: // float 32
    case 0xce: // uint 32
    case 0xd2: // int 32
    case 0xdb: // str 32
    case 0xdd: // array 32
    case 0xdf: // map 32
      return 5;
    case 0xcb: // float 64
    case 0xcf: // uint 64
    case 0xd3: // int 64
      return 9;
    default: // ext and the tag that is never used
      return 0;
  }
}

/** How many values an array or a map holds, keys included; `undefined` for anything else. */
function childCount(tag: number, view: DataView, at: number): number | undefined {
  if (tag >= 0x80 && tag <= 0x8f) return (tag & 0x0f) * 2;
  if (tag >= 0x90 && tag <= 0x9f) return tag & 0x0f;
  switch (tag) {
    case 0xdc:
      return view.getUint16(at + 1);
    case 0xdd:
      return view.getUint32(at + 1);
    case 0xde:
      return view.getUint16(at + 1) * 2;
    case 0xdf:
      return view.getUint32(at + 1) * 2;
    default:
      return undefined;
  }
}

/** Bytes of text or binary data after the head. */
function contentSize(tag: number, view: DataView, at: number): number {
  if (tag >= 0xa0 && tag <= 0xbf) return tag & 0x1f;
  switch (tag) {
    case 0xc4:
    case 0xd9:
      return view.getUint8(at + 1);
    case 0xc5:
    case 0xda:
      return view.getUint16(at + 1);
    case 0xc6:
    case 0xdb:
      return view.getUint32(at + 1);
    default:
      return 0;
  }
}

function hex(tag: number): string {
  return `0x${tag.toString(16).padStart(2, '0')}`;
}
