import type { Readable } from 'node:stream';
import type { Io } from '../output/io.ts';

/** What standard input has, as it comes. Rejects when `signal` aborts, though nothing may come any more. */
export async function* chunksOf(stdin: Io['stdin'], signal: AbortSignal): AsyncGenerator<Uint8Array | string> {
  const chunks = stdin[Symbol.asyncIterator]();
  const { promise: interrupted, reject } = Promise.withResolvers<never>();
  interrupted.catch(() => {});
  const stop = () => reject(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  try {
    signal.throwIfAborted();
    for (;;) {
      const { done, value } = await Promise.race([chunks.next(), interrupted]);
      if (done) return;
      yield value;
    }
  } finally {
    signal.removeEventListener('abort', stop);
    // Or a terminal that is still read from would keep the process.
    if (signal.aborted) (stdin as Partial<Readable>).destroy?.();
  }
}

/**
 * Whether standard input is what `guix archive --export` writes, which begins with a number of 8 bytes that is 1 or 0, as no text does; nothing of it is
 * lost.
 */
export async function peekStandardInput(
  stdin: Io['stdin'],
  signal: AbortSignal,
): Promise<{ readonly isArchive: boolean; readonly stdin: AsyncIterable<Uint8Array | string> }> {
  const chunks = chunksOf(stdin, signal);
  let first = await chunks.next();
  while (!first.done && first.value.length === 0) first = await chunks.next();
  async function* all(): AsyncGenerator<Uint8Array | string> {
    if (!first.done) yield first.value;
    yield* chunks;
  }
  const isArchive = !first.done && typeof first.value !== 'string' && (first.value[0] as number) <= 1;
  return { isArchive, stdin: all() };
}
