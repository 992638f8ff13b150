/** How much of an upload goes in one request. Learnt from what a proxy on the way refuses, and remembered for all uploads. */
export interface PartSize {
  /** Bytes. */
  readonly most: number;
  /** A part of `size` bytes did not get through. False if a smaller one is not worth a try. */
  refused(size: number): boolean;
}

/** No proxy worth the name takes less. */
export const smallestPart = 256 * 1024;

/** What is tried first, in bytes: far below what hosted proxies take, and few round trips all the same. */
export const defaultPart = 8 * 1024 * 1024;

/** @param largest what is tried first, in bytes. */
export function createPartSize(largest = defaultPart): PartSize {
  let most = largest;
  return {
    get most() {
      return most;
    },
    refused(size) {
      if (size <= smallestPart) return false;
      most = Math.max(smallestPart, Math.floor(Math.min(most, size) / 2));
      return true;
    },
  };
}
