import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Median of 50 times: append 4 KiB to a file in `dir` and fsync it. In milliseconds. What a durable append cannot beat on its own. */
export function probeFsync(dir: string): number {
  const file = openSync(join(dir, 'fsync-probe'), 'w');
  const block = Buffer.alloc(4096, 1);
  const times: number[] = [];
  for (let n = 0; n < 50; n++) {
    const start = performance.now();
    writeSync(file, block);
    fsyncSync(file);
    times.push(performance.now() - start);
  }
  closeSync(file);
  return times.sort((a, b) => a - b)[25] as number;
}
