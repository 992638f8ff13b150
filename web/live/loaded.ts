import { type DroverEvent, DroverProblem, isPassing } from 'drover/client';
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { clock } from '../past/clock.ts';
import { moment } from '../router.ts';
import { sessionEnded } from '../session/session-end.ts';
import { createAllowance } from './allowance.ts';
import { connection, onConnection } from './connection.ts';
import { onEvent } from './feed.ts';
import { longestPause, shortestPause } from './seen.ts';

export interface Loaded<Value> {
  /** What was loaded last; it stays while it is loaded again, or cannot be. */
  readonly value: Value | undefined;
  readonly error: Error | undefined;
  /** Loads it now. */
  reload(): void;
}

/**
 * Something of the API, loaded anew when an event touches it: at once, and where more and more do no more often than every half second
 * (see {@link createAllowance}). While the page is not seen it is not loaded; it is when the page comes to be seen again.
 *
 * @param key what is loaded: with another one the old value goes
 */
export function useLoaded<Value>(
  key: string,
  load: (signal: AbortSignal) => Promise<Value>,
  touches: (event: DroverEvent) => boolean = () => false,
): Loaded<Value> {
  const [held, setHeld] = useState<{ key: string; value?: Value; error?: Error }>({ key });
  const again = useRef<() => void>(() => {});
  const current = useRef({ load, touches });
  current.current = { load, touches };

  useEffect(() => {
    const end = new AbortController();
    let isLoading = false;
    let isStale = false;
    const allowance = createAllowance();
    let pause = shortestPause;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let retry: ReturnType<typeof setTimeout> | undefined;

    async function run(): Promise<void> {
      clearTimeout(timer);
      clearTimeout(retry);
      timer = undefined;
      isLoading = true;
      isStale = false;
      allowance.spend(performance.now());
      try {
        const value = await current.current.load(end.signal);
        pause = shortestPause;
        if (!end.signal.aborted) setHeld({ key, value });
      } catch (error) {
        if (end.signal.aborted) return;
        if (sessionEnded(error)) return;
        // What there is no more is not shown any longer.
        const isGone = error instanceof DroverProblem && error.status === 404;
        setHeld((before) => ({ ...(before.key === key && !isGone ? before : { key }), error: error as Error }));
        if (!isPassing(error)) return;
        retry = setTimeout(stale, pause);
        pause = Math.min(2 * pause, longestPause);
      } finally {
        isLoading = false;
        if (isStale) stale();
      }
    }
    function stale(): void {
      isStale = true;
      if (isLoading || timer !== undefined || end.signal.aborted || document.hidden) return;
      const wait = allowance.waitAt(performance.now());
      if (wait <= 0) void run();
      else timer = setTimeout(() => void run(), wait);
    }
    again.current = () => void (isLoading ? stale() : run());
    void run();
    const offs = [
      onEvent((event) => {
        if (current.current.touches(event)) stale();
      }),
      // What was asked for while nobody answered is asked for again.
      onConnection(() => {
        if (connection() === 'live') stale();
      }),
    ];
    const seen = (): void => {
      if (!document.hidden && isStale) stale();
    };
    document.addEventListener('visibilitychange', seen);
    return () => {
      end.abort();
      clearTimeout(timer);
      clearTimeout(retry);
      for (const off of offs) off();
      document.removeEventListener('visibilitychange', seen);
    };
  }, [key]);

  const reload = useCallback(() => again.current(), []);
  const { value, error } = held.key === key ? held : { value: undefined, error: undefined };
  return { value, error, reload };
}

/** The time, every so many milliseconds, for what says how long something has taken; of a moment, the one that it was. */
export function useNow(everyMs = 1000): number {
  const [now, setNow] = useState(clock);
  useEffect(() => {
    if (moment() !== undefined) return;
    const timer = setInterval(() => setNow(clock()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}
