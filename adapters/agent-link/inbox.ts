/**
 * Numbers of the messages that came in a session: which one is new, and up to where all are done, which is what may be
 * acknowledged. Messages may be finished in another order than they came.
 */
export interface Inbox {
  /** Everything up to here is done: the number for an `ack`, and for `received` of `hello` and `welcome`. */
  readonly done: number;
  /** Number of the last message that was taken. */
  readonly taken: number;
  /** `new`: take it; `seen`: it came before, acknowledge {@link done} again and drop it; `gap`: one before it is missing, the link has to be closed. */
  take(n: number): 'new' | 'seen' | 'gap';
  /** What message `n` caused is durable. Returns whether {@link done} moved. */
  finish(n: number): boolean;
  /** Forgets what was taken and not finished: it will be sent again on the next link. */
  rewind(): void;
}

export function createInbox(): Inbox {
  let taken = 0;
  let done = 0;
  const finished = new Set<number>();
  return {
    get done() {
      return done;
    },
    get taken() {
      return taken;
    },
    take(n) {
      if (n <= taken) return 'seen';
      if (n > taken + 1) return 'gap';
      taken = n;
      return 'new';
    },
    finish(n) {
      if (n > taken || n <= done) return false;
      finished.add(n);
      const before = done;
      while (finished.delete(done + 1)) done++;
      return done !== before;
    },
    rewind() {
      taken = done;
      finished.clear();
    },
  };
}
