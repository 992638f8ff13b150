import { globSync, statSync } from 'node:fs';
import { watch } from 'node:fs/promises';
import { join } from 'node:path';
import type { Farm } from './farm.ts';

/** Resolves once the one upload that is under way has at least so many bytes in its file. */
export async function uploadWritten(farm: Farm, bytes: number): Promise<void> {
  const stop = new AbortController();
  const [part] = globSync(join(farm.data, 'pool/uploads/*/part'));
  if (part === undefined) throw new Error('expected an upload under way, found none');
  // Watched before it is looked at: what is written in between is seen by one or the other.
  const changes = watch(part, { signal: stop.signal });
  if (statSync(part).size >= bytes) return stop.abort();
  for await (const _ of changes) if (statSync(part).size >= bytes) return;
}

/** Where each part of an upload began that agents sent, in order. */
export function uploadOffsets(farm: Farm): number[] {
  return farm.network.requests
    .filter(({ method, path }) => method === 'PATCH' && path.startsWith('/v1/uploads/'))
    .map(({ head }) => Number(/^upload-offset: (\d+)\r?$/im.exec(head)?.[1]));
}
