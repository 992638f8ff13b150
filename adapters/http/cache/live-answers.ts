import { Readable } from 'node:stream';
import { DroverError } from '../../../coordinator/errors.ts';
import type { HttpContext } from '../context.ts';

/** Answers at a time. Each holds a decompressor, and the pieces on their way through it: some megabytes. */
const mostAtOnce = 64;
/** A reader that has taken nothing for so long gives way to one that comes. */
const patienceMs = 10_000;

/**
 * Makes bodies of bytes that are made as they are sent, so many at a time. Who reads nothing costs those who do no answer: it is cut once another
 * needs its place. A body ends its bytes with itself, also where nothing of it was read.
 *
 * @throws DroverError `too-many-requests`, `bytes` unread
 */
export type LiveBody = (bytes: AsyncIterable<Uint8Array>) => Readable;

export function createLiveBodies({ runtime }: Pick<HttpContext, 'runtime'>): LiveBody {
  /** Since when the reader of each has had something to take; `undefined`: it waits for us. */
  const open = new Map<Readable, { since: number | undefined }>();

  function makeRoom(): void {
    if (open.size < mostAtOnce) return;
    const waiting = [...open].flatMap(([body, { since }]) => (since === undefined ? [] : [{ body, since }]));
    const [stalest] = waiting.sort((a, b) => a.since - b.since);
    if (stalest === undefined || runtime.clock.monotonic() - stalest.since < patienceMs)
      throw new DroverError(
        'too-many-requests',
        `expected at most ${mostAtOnce} NARs to be decompressed or compressed anew at a time`,
      );
    open.delete(stalest.body);
    stalest.body.destroy(new Error(`its reader has taken nothing for ${patienceMs / 1000} seconds`));
  }

  return (bytes) => {
    makeRoom();
    const each = bytes[Symbol.asyncIterator]();
    const place: { since: number | undefined } = { since: undefined };
    // Without `throw`: what a reader fails with is no fault of the bytes.
    const watched: AsyncIterator<Uint8Array> = {
      async next() {
        place.since = undefined;
        const next = await each.next();
        place.since = runtime.clock.monotonic();
        return next;
      },
      async return() {
        await each.return?.();
        return { done: true, value: undefined };
      },
    };
    const body = Readable.from({ [Symbol.asyncIterator]: () => watched }, { objectMode: false });
    open.set(body, place);
    body.once('close', () => open.delete(body));
    return body;
  };
}
