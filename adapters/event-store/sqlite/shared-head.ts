import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';
import { createHeadSignal, type HeadSignal } from '../head-signal.ts';

/**
 * Number of the last event of a log, in memory that all threads of the process see. Not a BroadcastChannel: Node loads some forty milliseconds of code in
 * each thread that hears one, with the first message.
 */
export type SharedHead = BigInt64Array<SharedArrayBuffer>;

const nameOf = (file: string): string => `drover-event-log:${file}`;
/** What a timer can wait for at most, in milliseconds. */
const longest = 2 ** 31 - 1;

/** The head of the log in a file, for the threads that begin from now on as well. */
export function shareHead(file: string): SharedHead {
  const shared = getEnvironmentData(nameOf(file)) as unknown as SharedHead | undefined;
  if (shared !== undefined) return shared;
  const head = new BigInt64Array(new SharedArrayBuffer(BigInt64Array.BYTES_PER_ELEMENT));
  setEnvironmentData(nameOf(file), head);
  return head;
}

/** Tells all who listen. */
export function tellHead(shared: SharedHead, head: number): void {
  Atomics.store(shared, 0, BigInt(head));
  Atomics.notify(shared, 0);
}

/**
 * Hears the head of the log in a file from its writers, where they are opened in this thread, or in the one that began it and had opened the
 * log before; keeps the thread alive only while someone waits for it.
 */
export function listenForHead(file: string, resources: DisposableStack | AsyncDisposableStack): HeadSignal {
  let alive: NodeJS.Timeout | undefined;
  const signal = createHeadSignal(0, (waiting) => {
    clearInterval(alive);
    // Who waits for memory keeps no thread alive, but a timer does.
    if (waiting) alive = setInterval(() => undefined, longest);
  });
  const shared = shareHead(file);
  let closed = false;
  async function hear(head: SharedHead): Promise<void> {
    while (!closed) {
      const heard = Atomics.load(head, 0);
      signal.raise(Number(heard));
      const { async: isLater, value } = Atomics.waitAsync(head, 0, heard);
      if (isLater) await value;
    }
  }
  void hear(shared);
  resources.defer(() => {
    closed = true;
    Atomics.notify(shared, 0);
  });
  return signal;
}
