/** One regular file of an archive. `bytes` is a view into the archive. */
export interface TarEntry {
  readonly name: string;
  readonly bytes: Uint8Array;
}

const block = 512;

/** Reads the regular files of a tar archive, GNU long names (`L` entries) included; throws on anything damaged. */
export function readTar(archive: Uint8Array): TarEntry[] {
  const buffer = Buffer.from(archive.buffer, archive.byteOffset, archive.byteLength);
  const entries: TarEntry[] = [];
  let longName: string | undefined;
  for (let offset = 0; offset + block <= buffer.length; ) {
    if (buffer[offset] === 0) return entries;
    const size = Number.parseInt(field(buffer, offset + 124, 12), 8);
    const start = offset + block;
    if (!(size >= 0) || start + size > buffer.length) throw new Error(`tar: bad size at byte ${offset}`);
    const bytes = buffer.subarray(start, start + size);
    const type = String.fromCharCode(buffer[offset + 156] as number);
    if (type === 'L') {
      longName = field(buffer, start, size);
    } else {
      const name = longName ?? field(buffer, offset, 100);
      longName = undefined;
      if (type === '0' || type === '\0') entries.push({ name: name.replace(/^\.\//, ''), bytes });
    }
    offset = start + Math.ceil(size / block) * block;
  }
  throw new Error('tar: expected a closing block of zeros');
}

/** A NUL-terminated field. */
function field(buffer: Buffer, start: number, length: number): string {
  const end = buffer.indexOf(0, start);
  return buffer.toString('latin1', start, end < 0 || end > start + length ? start + length : end).trim();
}
