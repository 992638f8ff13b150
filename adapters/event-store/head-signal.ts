/** Wakes readers when the log has grown: they wait for a head beyond what they have read. */
export interface HeadSignal {
  /** The highest head heard of. */
  readonly head: number;
  raise(head: number): void;
  beyond(position: number, signal: AbortSignal): Promise<void>;
  /** Ends all waiting, for ever. */
  close(): void;
}

export function createHeadSignal(initial: number, onWaiting: (waiting: boolean) => void = () => {}): HeadSignal {
  let head = initial;
  let closed = false;
  const waiters = new Set<{ position: number; wake: () => void }>();
  const remove = (waiter: { position: number; wake: () => void }) => {
    if (waiters.delete(waiter) && waiters.size === 0) onWaiting(false);
  };
  return {
    get head() {
      return head;
    },
    raise(next) {
      if (next <= head) return;
      head = next;
      for (const waiter of waiters) if (waiter.position < head) waiter.wake();
    },
    beyond(position, signal) {
      if (closed || head > position || signal.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const waiter = {
          position,
          wake() {
            remove(waiter);
            signal.removeEventListener('abort', waiter.wake);
            resolve();
          },
        };
        waiters.add(waiter);
        if (waiters.size === 1) onWaiting(true);
        signal.addEventListener('abort', waiter.wake, { once: true });
      });
    },
    close() {
      closed = true;
      for (const waiter of waiters) waiter.wake();
    },
  };
}
