import { spawn } from 'node:child_process';
import { type Duplex, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** What could not be compressed or decompressed. `name` survives copies of the package. */
export class CodecError extends Error {
  override readonly name = 'CodecError';
}

/** A program that reads its standard input, with its arguments. */
export type Command = readonly [program: string, ...args: string[]];

/** `source` through a stream of Node; a {@link CodecError} where that fails, what `source` fails with otherwise. */
export async function* throughStream(
  what: string,
  stream: Duplex,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const read = guarded(source);
  // What goes wrong shows in what is read.
  pipeline(Readable.from(read.bytes, { objectMode: false }), stream).catch(() => {});
  try {
    yield* stream;
  } catch (error) {
    throw read.failure() ?? new CodecError(`expected a file in ${what}: ${(error as Error).message}`);
  } finally {
    stream.destroy();
  }
}

/** The same through a program, which ends with its reader. */
export async function* throughProgram(
  what: string,
  [program, ...args]: Command,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const started = Promise.withResolvers<void>();
  child.once('spawn', started.resolve);
  child.once('error', started.reject);
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  try {
    await started.promise;
  } catch (error) {
    throw noProgram(what, program, (error as Error).message);
  }
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(0, 1000);
  });
  const read = guarded(source);
  pipeline(Readable.from(read.bytes, { objectMode: false }), child.stdin).catch(() => {});
  try {
    yield* child.stdout;
    const code = await ended;
    const failure = read.failure();
    if (failure !== undefined) throw failure;
    if (code === notFound && program === 'sh') throw noProgram(what, what, said.trim());
    if (code !== 0) throw new CodecError(`expected a file in ${what}: ${said.trim() || `${program} failed`}`);
  } finally {
    child.kill('SIGKILL');
    child.stdout.destroy();
    child.stdin.destroy();
  }
}

/** What a shell ends with where it does not find the program that it is to become. */
const notFound = 127;

function noProgram(what: string, program: string, why: string): CodecError {
  return new CodecError(
    `${what} needs the program ${program} on this machine, which cannot be run (${why}); zstd needs none`,
  );
}

/**
 * Keeps apart what the source fails with from what is wrong with its bytes. What their reader fails with, such as a program that was ended, is not
 * thrown into the source, which would take it for a failure of its own: it is left.
 */
function guarded(source: AsyncIterable<Uint8Array>) {
  let failed: unknown;
  const bytes: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]() {
      const each = source[Symbol.asyncIterator]();
      return {
        async next() {
          try {
            return await each.next();
          } catch (error) {
            failed = error;
            throw error;
          }
        },
        async return() {
          await each.return?.();
          return { done: true, value: undefined };
        },
      };
    },
  };
  return { bytes, failure: (): unknown => failed };
}
