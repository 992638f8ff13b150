import { isPassing } from 'drover/client';
import { useEffect, useState } from 'preact/hooks';
import { whileSeen } from '../live/seen.ts';
import { sessionEnded } from '../session/session-end.ts';
import type { Reading } from './moments.ts';

export interface Read<Answer> {
  /** The last answer: it is not `ready` until the log is read. With a retry it goes. */
  readonly answer: Answer | undefined;
  /** Why there is none; of one that passes it is asked again meanwhile. */
  readonly error: Error | undefined;
  retry(): void;
}

/** How long it takes to be asked for again where nobody answers for now, in milliseconds: longer each time. */
const shortestPause = 1000;
const longestPause = 10_000;

/**
 * Something that takes reading the log: asked for until it is there.
 *
 * @param key what is asked for; `undefined` for nothing
 */
export function useReading<Answer extends Reading>(
  key: string | undefined,
  ask: (signal: AbortSignal) => Promise<Answer>,
): Read<Answer> {
  const [held, setHeld] = useState<{ asked?: string | undefined; answer?: Answer; error?: Error }>({});
  const [tries, setTries] = useState(0);
  const asked = key === undefined ? undefined : `${key} ${tries}`;
  useEffect(() => {
    if (asked === undefined) return;
    const end = new AbortController();
    let pause = shortestPause;
    let again: ReturnType<typeof setTimeout> | undefined;
    let off = (): void => undefined;
    async function read(): Promise<void> {
      for (let isReady = false; !isReady; pause = shortestPause) {
        const answer = await ask(end.signal);
        if (end.signal.aborted) return;
        setHeld({ asked, answer });
        isReady = answer.ready;
      }
    }
    function begin(): void {
      read().catch((error: Error) => {
        if (end.signal.aborted || sessionEnded(error)) return;
        setHeld({ asked, error });
        if (!isPassing(error)) return;
        again = setTimeout(() => {
          off();
          off = onceSeen(begin);
        }, pause);
        pause = Math.min(2 * pause, longestPause);
      });
    }
    begin();
    return () => {
      end.abort();
      clearTimeout(again);
      off();
    };
  }, [asked]);
  const { answer, error } = held.asked === asked ? held : { answer: undefined, error: undefined };
  return { answer, error, retry: () => setTries((before) => before + 1) };
}

/** Calls it now, or as soon as the page is seen. @returns keeps it from being called */
function onceSeen(call: () => void): () => void {
  let isCalled = false;
  return whileSeen(() => {
    if (!isCalled) call();
    isCalled = true;
    return () => undefined;
  });
}
