/** A message with its number. */
export interface Numbered<Body> {
  readonly n: number;
  readonly body: Body;
}

/**
 * What one side has sent in a session and the other has not acknowledged. Messages are numbered one by one; an
 * acknowledgement covers everything up to its number.
 */
export interface Outbox<Body> {
  /** How many are not acknowledged. */
  readonly size: number;
  /** Number of the last message; before the first, what the outbox started from. */
  readonly last: number;
  /** Numbers `body` and keeps it. The caller sends it, if there is a link. */
  push(body: Body): Numbered<Body>;
  /**
   * Forgets everything up to `n`. An old or repeated number changes nothing. False, and no change, for a number that was
   * never given out: the other side is confused and the link has to be closed.
   */
  ack(n: number): boolean;
  /** What has to be sent (again) on a new link, in order. */
  pending(): readonly Numbered<Body>[];
}

/** @param from number of the last message that the other side has from before, 0 if none. */
export function createOutbox<Body>(from = 0): Outbox<Body> {
  const messages = new Map<number, Body>();
  let last = from;
  let acked = from;
  return {
    get size() {
      return messages.size;
    },
    get last() {
      return last;
    },
    push(body) {
      last++;
      messages.set(last, body);
      return { n: last, body };
    },
    ack(n) {
      if (n > last) return false;
      // Costs what is newly covered, not what is kept.
      for (; acked < n; acked++) messages.delete(acked + 1);
      return true;
    },
    pending() {
      return [...messages].map(([n, body]) => ({ n, body }));
    },
  };
}
