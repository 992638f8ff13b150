import { DroverUnreachable, isPassing } from './errors.ts';

/** Milliseconds between two tries to connect. */
export const shortestPause = 250;
export const longestPause = 10_000;
/** The coordinator sends something every 15 seconds: after a minute of nothing the connection is dead. */
const longestSilence = 60_000;

/** Whether a connection was lost, or could not be made for now. A body that breaks off is a TypeError both in Node and in browsers. */
export function isLost(error: unknown): boolean {
  return isPassing(error) || error instanceof TypeError;
}

/** What to say of a lost connection, and milliseconds after which the coordinator wants to be asked again. */
export function lossOf(error: unknown): { readonly reason: string; readonly wait: number } {
  return { reason: (error as Error).message, wait: (error as { retryAfter?: number }).retryAfter ?? 0 };
}

/** Aborts what it listens to once nothing has come for too long. */
export function watchSilence(outer: AbortSignal | undefined) {
  const controller = new AbortController();
  let silent = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const again = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      silent = true;
      controller.abort();
    }, longestSilence);
  };
  again();
  return {
    signal: outer === undefined ? controller.signal : AbortSignal.any([outer, controller.signal]),
    /** Why it aborted, where that was for silence. */
    silence: () => (silent ? `nothing came for ${longestSilence / 1000} seconds` : undefined),
    async *listen(response: Response): AsyncGenerator<Uint8Array> {
      if (response.body === null) throw new DroverUnreachable('the answer has no body');
      // Not every browser has an iterator on streams.
      const reader = response.body.getReader();
      try {
        for (let part = await reader.read(); !part.done; part = await reader.read()) {
          again();
          yield part.value;
        }
      } finally {
        await reader.cancel().catch(() => {});
      }
    },
    stop: () => clearTimeout(timer),
  };
}

export function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener('abort', done);
    if (signal?.aborted) done();
  });
}

export interface FollowOptions {
  /** Ends the loop, without an error. */
  readonly signal?: AbortSignal;
  /** Called when the connection was lost, before it is made again. */
  readonly onLost?: (reason: string) => void;
}

/**
 * What a long answer is made of, over as many connections as it takes: a lost one is made again, for as long as it takes.
 *
 * @param ask asks for it, from where the last one went
 * @param isOver whether an answer that ends well was all of it
 * @throws {DroverProblem} for a refusal that waiting does not change
 */
export async function* overConnections<Part>(
  ask: (signal: AbortSignal) => Promise<Response>,
  parts: (body: AsyncIterable<Uint8Array>) => AsyncIterable<Part>,
  { signal, onLost }: FollowOptions,
  isOver: () => boolean,
): AsyncGenerator<Part, void, undefined> {
  let pause = shortestPause;
  while (!signal?.aborted) {
    const quiet = watchSilence(signal);
    try {
      for await (const part of parts(quiet.listen(await ask(quiet.signal)))) {
        pause = shortestPause;
        yield part;
      }
      if (isOver()) return;
      onLost?.('the coordinator ended the connection');
    } catch (error) {
      if (signal?.aborted) return;
      const silence = quiet.silence();
      if (silence === undefined && !isLost(error)) throw error;
      const { reason, wait } = lossOf(error);
      onLost?.(silence ?? reason);
      if (silence === undefined) pause = Math.max(pause, wait);
    } finally {
      quiet.stop();
    }
    await sleep(pause, signal);
    pause = Math.min(pause * 2, longestPause);
  }
}
