import { spawn } from 'node:child_process';
import { pipeline, type Readable, Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip } from 'node:zlib';
import { UpstreamError } from '../../coordinator/ports/upstream.ts';
import { mostFileBytes } from '../../domain/limits.ts';
import { xzMemory } from '../nar/decompress.ts';
import { unzstd } from '../nar/zstd-frames.ts';

/** Programs for what Node cannot read; each decompresses from its standard input to its output. */
const programs: Readonly<Record<string, readonly string[]>> = {
  xz: ['xz', xzMemory, '-dc'],
  bzip2: ['bzip2', '-dc'],
  lzip: ['lzip', '-dc'],
};
const inside = { gzip: createGunzip, br: createBrotliDecompress } as const;

/**
 * The bytes, decompressed as they are read; what is not so compressed, is cut, or is a larger file than a NAR of `narSize` makes, ends with
 * {@link UpstreamError}: there are encodings of nothing that never end. Leaving it ends its source.
 */
export function decompress(source: Readable, compression: string, narSize: number): AsyncIterable<Uint8Array> {
  if (compression === 'none') return told(source, compression, source);
  // A broken pipe shows in the reader of the result.
  if (compression === 'zstd') return told(unzstd(pipeline(source, bounded(narSize), () => {})), compression, source);
  if (compression in inside) {
    const made = inside[compression as keyof typeof inside]();
    return told(
      pipeline(source, bounded(narSize), made, () => {}),
      compression,
      source,
    );
  }
  const [program, ...args] = programs[compression] ?? [];
  if (program === undefined) throw new UpstreamError(`expected a compression that is known, got ${compression}`);
  return byProgram(source, bounded(narSize), program, args);
}

function bounded(narSize: number): Transform {
  const most = mostFileBytes(narSize);
  let left = most;
  return new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      left -= chunk.length;
      if (left >= 0) return done(null, chunk);
      done(new UpstreamError(`expected a file of at most ${most} bytes for a NAR of ${narSize}, got more`));
    },
  });
}

async function* told(stream: AsyncIterable<Uint8Array>, what: string, source: Readable): AsyncGenerator<Uint8Array> {
  try {
    yield* stream;
  } catch (error) {
    throw asUpstreamError(error, `a NAR (${what})`);
  } finally {
    source.destroy();
  }
}

async function* byProgram(
  source: Readable,
  bound: Transform,
  program: string,
  args: readonly string[],
): AsyncGenerator<Uint8Array> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const ended = new Promise<number | Error>((resolve) => {
    child.once('error', resolve);
    child.once('close', (code) => resolve(code ?? 1));
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    if (said.length < 1000) said += chunk;
  });
  let failure: Error | undefined;
  pipeline(source, bound, child.stdin, (error) => {
    if (error) {
      failure = error;
      child.kill();
    }
  });
  try {
    yield* child.stdout;
    const code = await ended;
    if (code instanceof Error) throw new UpstreamError(`${program} could not be run: ${code.message}`);
    if (failure !== undefined) throw asUpstreamError(failure, 'a NAR');
    if (code !== 0)
      throw new UpstreamError(`${program}: ${said.trim().split('\n')[0] || `it ended with code ${code}`}`);
  } finally {
    child.kill();
    source.destroy();
  }
}

export function asUpstreamError(error: unknown, what: string): Error {
  if (error instanceof UpstreamError) return error;
  return new UpstreamError(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
}
