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
