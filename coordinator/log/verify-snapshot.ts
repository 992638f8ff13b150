import type { EventStore } from '../ports/event-store.ts';
import type { Difference } from '../ports/views.ts';
import type { Work } from '../ports/work.ts';
import { type Loaded, recover } from './recovery.ts';

/**
 * Holds what a snapshot says of the hot projections against the log, folded from its first event to where the snapshot was made. Each
 * thing that they know is a line that begins with its kind and its name (`farm.describe`).
 */
export async function verifySnapshot(
  log: Pick<EventStore, 'read' | 'readAll'>,
  snapshot: Loaded,
  work: Work,
): Promise<Difference[]> {
  const { storeDir, events: upTo } = snapshot.foldedTo;
  const folded = await recover(log, storeDir, { upTo, work });
  const missing = new Map<string, number>();
  for (const line of folded.farm.describe()) missing.set(line, (missing.get(line) ?? 0) + 1);
  const extra = new Map<string, string[]>();
  for (const line of snapshot.farm.describe()) {
    const left = missing.get(line) ?? 0;
    if (left > 1) missing.set(line, left - 1);
    else if (left === 1) missing.delete(line);
    else extra.set(nameOf(line), [...(extra.get(nameOf(line)) ?? []), line]);
  }
  const differences: Difference[] = [];
  const add = (line: string, log: string | null, there: string | null) => {
    const [view = '', key = ''] = nameOf(line).split(' ');
    differences.push({ view: `snapshot: ${view}`, key, log, there });
  };
  for (const [line, times] of missing)
    for (let time = 0; time < times; time++) add(line, line, extra.get(nameOf(line))?.shift() ?? null);
  for (const line of [...extra.values()].flat()) add(line, null, line);
  return differences;
}

function nameOf(line: string): string {
  return line.split(' ', 2).join(' ');
}
