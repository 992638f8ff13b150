import { once } from 'node:events';
import { globSync, statSync, watch } from 'node:fs';
import { join } from 'node:path';
import type { Farm } from './farm.ts';
import type { SeenRequest } from './network.ts';

/** Resolves once the one upload that is under way has at least so many bytes in its file. */
export async function uploadWritten(farm: Farm, bytes: number): Promise<void> {
  const [part] = globSync(join(farm.data, 'pool/uploads/*/part'));
  if (part === undefined) throw new Error('expected an upload under way, found none');
  // Watched before it is looked at: what is written in between is seen by one or the other. (That of fs/promises would begin
  // to watch with the first question, and what came just before would never be heard of.)
  const watcher = watch(part);
  try {
    while (statSync(part).size < bytes) await once(watcher, 'change');
  } finally {
    watcher.close();
  }
}

/** Where a part of an upload began. */
export function offsetOf({ head }: SeenRequest): number {
  return Number(/^upload-offset: (\d+)\r?$/im.exec(head)?.[1]);
}

/** Where each part of an upload began that agents sent, in order. */
export function uploadOffsets(farm: Farm): number[] {
  return farm.network.requests
    .filter(({ method, path }) => method === 'PATCH' && path.startsWith('/v1/uploads/'))
    .map(offsetOf);
}
