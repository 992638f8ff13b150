/** Watches over a request: aborts `signal` once nothing was heard of it for too long. */
export interface Silence extends Disposable {
  readonly signal: AbortSignal;
  /** Waits for what should come, for so long at most. */
  during<Value>(work: Promise<Value>): Promise<Value>;
  /** Something went on: the time begins anew. */
  moved(): void;
}

/** Why a request was given up. */
export class SilenceError extends Error {
  override readonly name = 'SilenceError';
}

/** @param most milliseconds. */
export function createSilence(most: number): Silence {
  const stop = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const end = () => stop.abort(new SilenceError(`no byte moved for ${most / 1000} s`));
  return {
    signal: stop.signal,
    async during(work) {
      timer = setTimeout(end, most);
      try {
        return await work;
      } finally {
        clearTimeout(timer);
      }
    },
    moved: () => void timer?.refresh(),
    [Symbol.dispose]: () => clearTimeout(timer),
  };
}

const pieceSize = 64 * 1024;

/** The bytes as a stream, each piece of which is asked for when the one before has gone to the system. */
export function inPieces(bytes: Uint8Array, moved: () => void): ReadableStream<Uint8Array> {
  let sent = 0;
  return new ReadableStream(
    {
      pull(controller) {
        moved();
        if (sent === bytes.length) return controller.close();
        controller.enqueue(bytes.subarray(sent, sent + pieceSize));
        sent = Math.min(bytes.length, sent + pieceSize);
      },
    },
    { highWaterMark: 0 },
  );
}

/** The same answer; a reader who waits for its next bytes waits within the silence. */
export function heard(response: Response, silence: Silence): Response {
  if (response.body === null) return response;
  const reader = response.body.getReader();
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = await silence.during(reader.read());
        if (next.done) controller.close();
        else controller.enqueue(next.value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
  const { status, statusText, headers } = response;
  return new Response(body, { status, statusText, headers });
}
