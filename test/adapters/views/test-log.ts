import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EventStore, Position, StoredEvent } from '../../../coordinator/ports/event-store.ts';

/** A folder that is gone once it is disposed. */
export function temporaryFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'drover-views-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Appends the events of a simulated log, one commit each, and gives the position of the last one. */
export async function appendAll(store: EventStore, events: readonly StoredEvent[]): Promise<Position> {
  const results = await store.appendBatch(
    events.map(({ type, version, data, stream, commit, at, meta }) => ({
      id: commit,
      stream,
      expected: 'any',
      events: [{ type, version, data }],
      meta,
      at,
    })),
  );
  const last = results.at(-1);
  if (last === undefined || !last.ok) throw new Error('expected every event to be appended');
  return last.position;
}
