import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const shortest = 300;

/**
 * Appends 4 KiB to a file in `dir` and fsyncs it, again and again for 0.3 s; the median in milliseconds. What a durable append cannot
 * beat on its own. Shared disks change from minute to minute, hence beside each durable figure.
 */
export function probeFsync(dir: string): number {
  const file = openSync(join(dir, 'fsync-probe'), 'w');
  const block = Buffer.alloc(4096, 1);
  const times: number[] = [];
  for (
    let start = performance.now(), stop = start + shortest;
    start < stop || times.length < 20;
    start = performance.now()
  ) {
    writeSync(file, block);
    fsyncSync(file);
    times.push(performance.now() - start);
  }
  closeSync(file);
  return times.sort((a, b) => a - b)[times.length >> 1] as number;
}
