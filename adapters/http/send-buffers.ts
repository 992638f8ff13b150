/** Memory that answers are read into and written from, shared by all of them. */
export interface SendBuffers {
  /** At most `wanted` bytes are put there; it may have room for fewer. */
  take(wanted: number): Buffer;
  /** Nothing uses it any more. */
  give(buffer: Buffer): void;
  /** Something may use it still: nobody gets it again. */
  forget(buffer: Buffer): void;
}

const smallest = 64 * 1024;
const largest = 1024 * 1024;
/** One takes at most so large a part of what is free: the next ones want some, too. */
const part = 8;

/**
 * Buffers of 1 MiB as long as there are few of them, as calls of the system are fewer then, and of 64 KiB, of which there is no end, where many
 * are under way or readers are slow. Those that came back are given out again.
 *
 * @param budget bytes that those have together that are larger than the smallest; a quarter of it is kept while nobody uses it
 * @param allocate makes them
 */
export function createSendBuffers(
  budget: number = 64 * 1024 * 1024,
  allocate: (size: number) => Buffer = Buffer.allocUnsafeSlow,
): SendBuffers {
  const inUse = new Set<Buffer>();
  const free = new Map<number, Buffer[]>();
  let used = 0;
  let kept = 0;

  /** Of that size, or a larger one that is not too large: what is kept would otherwise stay of a size that nobody gets any more, and keep out what comes back. */
  function takeFree(size: number, wanted: number): Buffer | undefined {
    for (let larger = size; larger <= Math.max(size, wanted); larger *= 2) {
      const again = free.get(larger)?.pop();
      if (again === undefined) continue;
      kept -= larger;
      return again;
    }
    return undefined;
  }

  function takeBack(buffer: Buffer): void {
    if (!inUse.delete(buffer)) throw new Error('expected a buffer that is in use');
    used -= buffer.length;
  }

  return {
    take(wanted) {
      let size = smallest;
      while (size < largest && size < wanted && 2 * size <= (budget - used) / part) size *= 2;
      const buffer = takeFree(size, wanted) ?? allocate(size);
      inUse.add(buffer);
      used += buffer.length;
      return buffer;
    },
    give(buffer) {
      takeBack(buffer);
      if (kept + buffer.length > budget / 4) return;
      kept += buffer.length;
      const same = free.get(buffer.length);
      if (same === undefined) free.set(buffer.length, [buffer]);
      else same.push(buffer);
    },
    forget: takeBack,
  };
}
