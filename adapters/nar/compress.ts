import { constants, createBrotliCompress, createGzip, createZstdCompress } from 'node:zlib';
import type { GuixCompression } from '../../domain/hook/compressions.ts';
import { type Command, throughProgram, throughStream } from './codec.ts';

/** By the ending that Nix gives to a file; what has none is in gzip. Quick rather than small: hardly anybody reads it. */
const programs: Readonly<Record<string, Command>> = {
  xz: ['xz', '-0', '--stdout', '--quiet'],
  bz2: ['bzip2', '-1', '--stdout', '--quiet'],
  lzip: ['lzip', '-0', '--stdout', '--quiet'],
  lz4: ['lz4', '-1', '-c', '-q'],
};

/** Compresses as a file `….nar.<ending>` is; `undefined` for an ending that Nix does not have. */
export function compressorFor(
  ending: string,
): ((source: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>) | undefined {
  if (ending === '') return (source) => throughStream('gzip', createGzip({ level: 1 }), source);
  if (ending === 'br') {
    const params = { [constants.BROTLI_PARAM_QUALITY]: 1 };
    return (source) => throughStream('br', createBrotliCompress({ params }), source);
  }
  const command = Object.hasOwn(programs, ending) ? programs[ending] : undefined;
  return command && ((source) => throughProgram(ending, command, source));
}

/** The bytes compressed for a cache of Guix, at the level that `guix publish` takes where none is said. */
export function compressForGuix(
  { method, level = 3 }: GuixCompression,
  source: AsyncIterable<Uint8Array>,
): AsyncIterable<Uint8Array> {
  switch (method) {
    case 'none':
      return source;
    case 'gzip':
      return throughStream('gzip', createGzip({ level }), source);
    case 'zstd':
      return throughStream(
        'zstd',
        createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: level } }),
        source,
      );
    case 'lzip':
      return throughProgram('lzip', ['lzip', `-${level}`, '--stdout', '--quiet'], source);
  }
}
