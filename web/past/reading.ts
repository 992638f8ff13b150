import { isPassing } from 'drover/client';
import { useEffect, useState } from 'preact/hooks';
import { laterSeen, longestPause, shortestPause } from '../live/seen.ts';
import { sessionEnded } from '../session/session-end.ts';
import type { Reading } from './moments.ts';

export interface Read<Answer> {
  /** The last answer: it is not `ready` until the log is read. With a retry it goes. */
  readonly answer: Answer | undefined;
  /** Why there is none; of one that passes it is asked again meanwhile. */
  readonly error: Error | undefined;
  retry(): void;
}

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
        off();
        off = laterSeen(pause, begin);
        pause = Math.min(2 * pause, longestPause);
      });
    }
    begin();
    return () => {
      end.abort();
      off();
    };
  }, [asked]);
  const { answer, error } = held.asked === asked ? held : { answer: undefined, error: undefined };
  return { answer, error, retry: () => setTries((before) => before + 1) };
}
