import type { VerifierSession } from './verifiers.ts';

export interface Pumped {
  /** Bytes handed on, all of them written and verified so far as they can be. */
  readonly taken: number;
  /** The body has more than there is room for; the rest was not read. */
  readonly overflow: boolean;
}

/** Each wakes two threads: small ones cost more than what is done with them. */
const slabSize = 1024 * 1024;
/** Slabs under way per upload: one is filled while others are written and verified. */
const slabCount = 3;

/**
 * Moves a body's bytes to the verifier, in slabs that come back when they are used up: that is the back-pressure. A
 * source that fails, or `stop`, is an end like any other; what had come is handed on.
 *
 * @param room bytes that the upload still takes.
 * @throws what the session rejects with, as soon as it does; the body is then given up.
 */
export async function pump(
  session: VerifierSession,
  body: AsyncIterable<Uint8Array>,
  room: number,
  stop: AbortSignal,
): Promise<Pumped> {
  const source = body[Symbol.asyncIterator]();
  const size = Math.min(slabSize, room);
  const free: ArrayBuffer[] = [];
  const busy = new Set<Promise<void>>();
  let slab: ArrayBuffer | undefined;
  let filled = 0;
  let taken = 0;
  let trouble: { readonly error: unknown } | undefined;
  /** Ends the wait for the next chunk. Not a race of promises: a large body would leave a reaction per chunk on them. */
  let wake = (): void => undefined;
  const onStop = (): void => wake();
  stop.addEventListener('abort', onStop);

  try {
    while (true) {
      const next = await nextChunk();
      if (trouble !== undefined) throw trouble.error;
      if (next === undefined) break;
      if (taken + next.length > room) return { taken, overflow: true };
      taken += next.length;
      await fill(next);
    }
    send();
    await Promise.all(busy);
    if (trouble !== undefined) throw (trouble as { error: unknown }).error;
    return { taken, overflow: false };
  } finally {
    stop.removeEventListener('abort', onStop);
    // Not waited for: a source that hangs would never answer.
    source.return?.().catch(() => undefined);
  }

  /** `undefined` at the end: of the source, cut or not, by `stop`, or for trouble. */
  function nextChunk(): Promise<Uint8Array | undefined> {
    return new Promise((resolve) => {
      wake = () => resolve(undefined);
      if (stop.aborted || trouble !== undefined) return wake();
      source.next().then((next) => resolve(next.done ? undefined : next.value), wake);
    });
  }

  async function fill(chunk: Uint8Array): Promise<void> {
    let rest = chunk;
    while (rest.length > 0) {
      slab ??= await takeSlab();
      const part = rest.subarray(0, size - filled);
      new Uint8Array(slab).set(part, filled);
      filled += part.length;
      rest = rest.subarray(part.length);
      if (filled === size) send();
    }
  }

  async function takeSlab(): Promise<ArrayBuffer> {
    while (free.length === 0 && busy.size >= slabCount) await Promise.race(busy);
    return free.pop() ?? new ArrayBuffer(size);
  }

  function send(): void {
    if (slab === undefined) return;
    const sent: Promise<void> = session.data(slab, filled).then(
      (back) => {
        free.push(back);
        busy.delete(sent);
      },
      (error: unknown) => {
        busy.delete(sent);
        trouble ??= { error };
        wake();
      },
    );
    busy.add(sent);
    slab = undefined;
    filled = 0;
  }
}
