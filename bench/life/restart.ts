import { openSqliteEventStore } from '../../adapters/event-store/sqlite/store.ts';
import { createSnapshotFolder } from '../../adapters/snapshots/folder.ts';
import { encodeEvent } from '../../coordinator/log/event-codec.ts';
import { recover, recoverFromNewest } from '../../coordinator/log/recovery.ts';
import type { Commit } from '../../coordinator/ports/event-store.ts';
import type { DroverEvent } from '../../domain/events.ts';
import { type BenchOptions, freshFolder, type Report } from '../row.ts';
import { type BenchGraph, chains } from './graphs.ts';

/** A start with very many unfinished builds behind it: by folding the log, and from a snapshot. */
export async function run(report: Report, { work, quick }: BenchOptions): Promise<void> {
  const size = quick ? 20_000 : 1_000_000;
  const dir = await freshFolder(work, 'logs/restart');
  const graph = chains(1000, size / 1000, 31);
  await using store = await openSqliteEventStore({ dir });
  for (const commits of commitsOf(graph)) await store.appendBatch(commits);
  const folder = createSnapshotFolder({
    dir: `${dir}/snapshots`,
    fingerprint: 'bench',
    unusable(error) {
      throw error;
    },
  });
  {
    const folding = performance.now();
    const { farm, foldedTo, events } = await recover(store, graph.storeDir);
    const seconds = (performance.now() - folding) / 1000;
    report({
      key: 'restart-replay',
      name: `start by folding, ${size} unfinished builds`,
      value: seconds,
      unit: 's',
      note: `${events} events, ${Math.round(events / seconds)} a second`,
    });
    if (foldedTo === undefined) throw new Error('expected events');
    const writing = performance.now();
    const saved = (function* () {
      for (const [name, part] of farm.parts) yield [name, part.save()] as const;
    })();
    const { bytes } = await folder.write(foldedTo, saved);
    report({
      key: 'snapshot-bytes',
      name: 'size of its snapshot',
      value: bytes / size,
      unit: 'bytes/build',
      note: `written in ${((performance.now() - writing) / 1000).toFixed(1)} s by a process beside the coordinator`,
    });
  }
  globalThis.gc?.();
  const loading = performance.now();
  const { farm, replayed } = await recoverFromNewest(store, graph.storeDir, folder);
  report({
    key: 'restart-snapshot',
    name: `start from a snapshot, ${size} unfinished builds`,
    value: (performance.now() - loading) / 1000,
    unit: 's',
    note: `${replayed} events folded, ${farm.queue.counts().queued} builds queued`,
  });
}

/** Each derivation and a build of it, inputs first. */
function* commitsOf(graph: BenchGraph): Generator<readonly Commit[]> {
  const at = 1_790_000_000_000;
  const meta = { actor: 'token-1', correlation: 's' } as const;
  const commit = (id: string, stream: Commit['stream'], event: DroverEvent): Commit => ({
    id,
    stream,
    expected: 'none',
    at,
    meta,
    events: [encodeEvent(event)],
  });
  const part = 1000;
  for (let from = 0; from < graph.size; from += part) {
    const commits: Commit[] = [];
    for (let n = from; n < Math.min(from + part, graph.size); n++) {
      const data = graph.facts(n);
      const build = { derivation: data.path, submission: 's', reason: 'requested', options: { priority: 0 } } as const;
      commits.push(
        commit(`d-${n}`, `derivation-${data.path.slice(0, 32)}`, { type: 'DerivationAdded', data }),
        commit(`b-${n}`, `build-s-${n + 1}`, { type: 'BuildSubmitted', data: build }),
      );
    }
    yield commits;
  }
}
