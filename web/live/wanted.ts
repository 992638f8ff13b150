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

/** Runs `follow` until the signal aborts: again, after a while, where it fails. */
export async function again(
  end: AbortSignal,
  follow: () => Promise<void>,
  failed: (error: unknown) => void,
): Promise<void> {
  for (let pause = 500; !end.aborted; pause = Math.min(2 * pause, 10_000)) {
    try {
      await follow();
    } catch (error) {
      if (!end.aborted) failed(error);
    }
    if (!end.aborted) await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
