/** Pages that come after one another want the same: it is not ended in between. */
const lingerMs = 2000;

/**
 * Something that goes on for as long as anybody here wants it.
 *
 * @param begin is told when it is to end
 * @returns says that it is wanted; what that returns says, once, that it is not any more
 */
export function whileWanted(begin: (end: AbortSignal) => void): () => () => void {
  let wanted = 0;
  let end: AbortController | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  return () => {
    wanted++;
    clearTimeout(timer);
    if (end === undefined) {
      end = new AbortController();
      begin(end.signal);
    }
    let isWanted = true;
    return () => {
      if (!isWanted) return;
      isWanted = false;
      if (--wanted > 0) return;
      timer = setTimeout(() => {
        end?.abort();
        end = undefined;
      }, lingerMs);
    };
  };
}

/**
 * Something that is followed for as long as anybody here wants that: again, after a while, where it fails.
 *
 * @param over is told when it is not followed any more, whatever has become of it; `failed`, that it will be again
 */
export function whileFollowed(
  follow: (end: AbortSignal) => Promise<void>,
  failed: (error: unknown) => void,
  over: () => void,
): () => () => void {
  return whileWanted((end) => {
    // It may have failed, and not be tried again by then.
    end.addEventListener('abort', over);
    void again(end, follow, failed, over);
  });
}

async function again(
  end: AbortSignal,
  follow: (end: AbortSignal) => Promise<void>,
  failed: (error: unknown) => void,
  over: () => void,
): Promise<void> {
  for (let pause = 500; !end.aborted; pause = Math.min(2 * pause, 10_000)) {
    try {
      await follow(end).finally(over);
    } catch (error) {
      if (!end.aborted) failed(error);
    }
    if (!end.aborted) await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
