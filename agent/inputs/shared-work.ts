/**
 * Work that several may want at once and that is done once. It goes on as long as somebody waits for it: an abort takes
 * one away, and the last one to go aborts the work.
 */
export interface SharedWork {
  run(key: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<void>): Promise<void>;
}

export function createSharedWork(): SharedWork {
  const running = new Map<string, { readonly done: Promise<void>; readonly stop: AbortController; waiting: number }>();

  function start(key: string, work: (signal: AbortSignal) => Promise<void>) {
    const stop = new AbortController();
    const done = work(stop.signal).finally(() => {
      if (running.get(key) === entry) running.delete(key);
    });
    // Those who wait see the failure; if nobody does any more, nobody needs to.
    done.catch(() => {});
    const entry = { done, stop, waiting: 0 };
    running.set(key, entry);
    return entry;
  }

  return {
    async run(key, signal, work) {
      signal.throwIfAborted();
      const entry = running.get(key) ?? start(key, work);
      entry.waiting++;
      const left = Promise.withResolvers<never>();
      const leave = () => left.reject(signal.reason);
      signal.addEventListener('abort', leave, { once: true });
      try {
        await Promise.race([entry.done, left.promise]);
      } finally {
        signal.removeEventListener('abort', leave);
        entry.waiting--;
        if (entry.waiting === 0) {
          // Who comes later starts anew instead of joining what is being stopped.
          if (running.get(key) === entry) running.delete(key);
          entry.stop.abort(signal.reason);
        }
      }
    },
  };
}
