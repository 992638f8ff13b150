/**
 * Something that goes on while the page is seen. Over plain HTTP a browser makes six connections to a host, for all its tabs: of pages
 * that nobody sees, which held theirs, a few would keep the next one from being loaded at all.
 *
 * @param begin returns what ends it
 * @returns ends it for good
 */
export function whileSeen(begin: () => () => void): () => void {
  let end: (() => void) | undefined;
  const see = (): void => {
    if (document.hidden) {
      end?.();
      end = undefined;
    } else end ??= begin();
  };
  see();
  document.addEventListener('visibilitychange', see);
  return () => {
    document.removeEventListener('visibilitychange', see);
    end?.();
  };
}

/**
 * Calls once so many milliseconds have passed and the page is seen.
 *
 * @returns keeps it from being called
 */
export function laterSeen(milliseconds: number, call: () => void): () => void {
  let off = (): void => undefined;
  const timer = setTimeout(() => {
    let isCalled = false;
    off = whileSeen(() => {
      if (!isCalled) call();
      isCalled = true;
      return () => undefined;
    });
  }, milliseconds);
  return () => {
    clearTimeout(timer);
    off();
  };
}

/** How long it takes to be asked for again where it could not be answered for now, in milliseconds: longer each time. */
export const shortestPause = 1000;
export const longestPause = 10_000;
