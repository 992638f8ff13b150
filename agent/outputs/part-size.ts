/** How much of an upload goes in one request. Learnt from what a proxy on the way refuses, and remembered for all uploads. */
export interface PartSize {
  /** Bytes. */
  readonly most: number;
  /** A part of `size` bytes did not get through. False if a smaller one is not worth a try. */
  refused(size: number): boolean;
}

/** No proxy worth the name takes less. */
export const smallestPart = 256 * 1024;

/** @param largest what is tried first, in bytes. */
export function createPartSize(largest = Number.POSITIVE_INFINITY): PartSize {
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
