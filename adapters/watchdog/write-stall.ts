import { closeSync, fsyncSync, openSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Stall } from '../../coordinator/ports/work.ts';
import { temporaryName } from '../data-dir/durable.ts';

/**
 * Writes down how the process stood still, so that the next one finds it, also after a power cut. Waits for nothing but the disk.
 * Apart from what reads it: that loads zod, which the watchdog's thread would do at each start.
 */
export function writeStall(file: string, stall: Stall): void {
  const temporary = temporaryName(file);
  const handle = openSync(temporary, 'w', 0o600);
  try {
    writeFileSync(handle, `${JSON.stringify(stall, null, 2)}\n`);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(temporary, file);
  const folder = openSync(dirname(file), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
