/** Who waits for a turn. */
export interface TurnWish {
  /** Id of the principal that asks. */
  readonly by: string;
  /** Whether nobody waits for the answer any more: then it gets no turn. */
  isGone(): boolean;
}

/**
 * Lets questions that come together be answered a few in each turn of the loop, so that all else has its turn between them: a long list takes tens of
 * milliseconds, and hundreds may be asked for at once.
 */
export interface ReadTurns {
  /** Calls `go` at once where this turn has room, and otherwise in a later one, in which those who ask are served by turns. */
  take(wish: TurnWish, go: () => void): void;
}

/** What answers may take of one turn, in milliseconds; the one that goes beyond is the last of it. */
const turnMs = 4;

interface Waiting {
  readonly wish: TurnWish;
  readonly go: () => void;
}

export function createReadTurns(): ReadTurns {
  /** By who asks, in the order in which they are served. */
  const queues = new Map<string, Waiting[]>();
  /** When the answers of this turn of the loop began. */
  let begun: number | undefined;
  let isServing = false;

  function hasRoom(): boolean {
    if (begun === undefined) {
      begun = performance.now();
      setImmediate(next);
    }
    return performance.now() - begun < turnMs;
  }

  function next(): void {
    begun = undefined;
    if (!isServing) serve();
  }

  function serve(): void {
    isServing = false;
    if (queues.size === 0 || !hasRoom()) return;
    const waiting = shift();
    if (waiting === undefined) return;
    isServing = true;
    try {
      waiting.go();
    } finally {
      // Once all that it does without waiting is done, its promises included; and whatever goes wrong with it, others have theirs.
      queueMicrotask(() => process.nextTick(serve));
    }
  }

  /** The first of whoever was served longest ago. */
  function shift(): Waiting | undefined {
    for (const [by, queue] of queues) {
      queues.delete(by);
      let waiting = queue.shift();
      while (waiting?.wish.isGone()) waiting = queue.shift();
      if (queue.length > 0) queues.set(by, queue);
      if (waiting !== undefined) return waiting;
    }
    return undefined;
  }

  return {
    take(wish, go) {
      const queue = queues.get(wish.by);
      if (queue === undefined) queues.set(wish.by, [{ wish, go }]);
      else queue.push({ wish, go });
      if (!isServing) serve();
    },
  };
}
