import { createBrotliDecompress, createGunzip } from 'node:zlib';
import { CodecError, type Command, throughProgram, throughStream } from './codec.ts';
import { unzstd } from './zstd-frames.ts';

/** What xz may hold: the largest of its levels takes 65 MiB. A file of a few bytes can ask for 4 GiB. */
const xzMemory = '--memlimit-decompress=256MiB';
/** The same for lzip, which knows no such limit, with its code, in KiB: the largest of its levels takes 33 MiB, and a file can ask for 512. */
const lzipMemory = 'ulimit -v 294912 && exec lzip --decompress --stdout';

/** Programs for what Node cannot do. */
const programs: Readonly<Record<string, Command>> = {
  xz: ['xz', xzMemory, '--decompress', '--stdout', '--quiet'],
  lzma: ['xz', xzMemory, '--format=lzma', '--decompress', '--stdout', '--quiet'],
  bzip2: ['bzip2', '--decompress', '--stdout', '--quiet'],
  lzip: ['sh', '-c', lzipMemory],
  lz4: ['lz4', '-d', '-c', '-q'],
};
const streams = { gzip: createGunzip, br: createBrotliDecompress } as const;
const known: readonly string[] = ['none', 'zstd', ...Object.keys(streams), ...Object.keys(programs)];

/**
 * The bytes of a compressed NAR. Fails with {@link CodecError} where they are not compressed as is said, or there is no program for that; what
 * `source` fails with is passed on.
 *
 * @param compression as a narinfo has it: `none`, `xz`, `zstd` …
 */
export function decompress(compression: string, source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  if (compression === 'none') return source;
  if (compression === 'zstd') return unzstd(source);
  if (compression === 'gzip' || compression === 'br') return throughStream(compression, streams[compression](), source);
  const command = Object.hasOwn(programs, compression) ? programs[compression] : undefined;
  if (command === undefined)
    throw new CodecError(`expected ${known.join(', ')} as compression, got ${compression.slice(0, 40)}`);
  return throughProgram(compression, command, source);
}
