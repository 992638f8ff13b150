/** Milliseconds that a timer of Node takes; it is armed again after that. */
export const longestTimer = 2 ** 31 - 1;

/** Files of NARs whose narinfos went from a folder a short while ago, and which stay for clients that have these narinfos still. */
export interface Leaving {
  /** The NAR stays for that long from now on, in milliseconds; a longer time that was said before counts. */
  keep(url: string, forMs: number): void;
  /** URLs of those that stay; the others are forgotten. */
  current(): ReadonlySet<string>;
  /** Milliseconds until the next of them may go; `undefined` where there is none. */
  nextMs(): number | undefined;
  /** As it is written down; `undefined` where there is none. */
  entries(): Record<string, number> | undefined;
}

/**
 * @param entries as they were written down: the time by the clock until when each stays, milliseconds since the Unix epoch
 * @param now the clock
 */
export function createLeaving(entries: Readonly<Record<string, number>> = {}, now: () => number = Date.now): Leaving {
  const until = new Map(Object.entries(entries));
  function forget(): void {
    const at = now();
    for (const [url, end] of until) if (end <= at) until.delete(url);
  }
  return {
    keep: (url, forMs) => {
      if (forMs > 0) until.set(url, Math.max(now() + forMs, until.get(url) ?? 0));
    },
    current() {
      forget();
      return new Set(until.keys());
    },
    nextMs: () => (until.size === 0 ? undefined : Math.max(0, Math.min(...until.values()) - now())),
    entries() {
      forget();
      return until.size === 0 ? undefined : Object.fromEntries(until);
    },
  };
}
