import { Packr } from 'msgpackr';
import { DroverError } from '../../coordinator/errors.ts';
import type { DerivationFacts } from '../../domain/derivation/events.ts';
import type { WorkerClient } from './worker-client.ts';

/** Rows that the worker is asked about at once: some milliseconds of its time. */
const rowsPerQuestion = 5_000;
const factsPerPart = 1_000;

/**
 * Facts of the closure of `roots`, inputs first. The graph is walked breadth first: per level the worker gives the
 * inputs and their names, and `skip` is asked here. What is skipped is neither walked into nor fetched, so a
 * submission whose inputs are known costs one round.
 */
export async function* readClosure(
  worker: WorkerClient,
  roots: readonly string[],
  skip: (path: string) => boolean,
): AsyncGenerator<readonly DerivationFacts[], void, void> {
  const rows = await selectRows(worker, roots, skip);
  const unpacker = new Packr({ useRecords: false });
  let next = ask(0);
  for (let start = 0; start < rows.length; start += factsPerPart) {
    const { packed, ends } = await next;
    // The worker reads the next part while the caller is busy with this one.
    next = ask(start + factsPerPart);
    // Whoever stops here never awaits it, and it must not count as unhandled.
    next.catch(() => undefined);
    yield Array.from(ends, (end, index) => unpacker.unpack(packed.subarray(index === 0 ? 0 : ends[index - 1], end)));
  }

  function ask(start: number) {
    return worker.ask('facts', { rows: rows.slice(start, start + factsPerPart) });
  }
}

/** Rows of the closure, ascending, which is inputs first. */
async function selectRows(
  worker: WorkerClient,
  roots: readonly string[],
  skip: (path: string) => boolean,
): Promise<Uint32Array> {
  const seen = new Set<number>();
  const selected: number[] = [];
  let level = await rowsOfRoots(worker, [...new Set(roots.filter((root) => !skip(root)))]);
  for (const row of level) seen.add(row);
  while (level.length > 0) {
    for (const row of level) selected.push(row);
    const fresh: number[] = [];
    for (const part of parts(level)) {
      for (const row of await worker.ask('inputs', { rows: part })) {
        if (seen.has(row)) continue;
        seen.add(row);
        fresh.push(row);
      }
    }
    level = [];
    for (const part of parts(fresh)) {
      const names = await worker.ask('names', { rows: part });
      for (const [index, name] of names.entries()) if (!skip(name)) level.push(part[index] as number);
    }
  }
  return Uint32Array.from(selected).sort();
}

async function rowsOfRoots(worker: WorkerClient, roots: readonly string[]): Promise<number[]> {
  const rows = await worker.ask('rows', { paths: roots });
  const missing = roots.filter((_, index) => rows[index] === 0);
  if (missing.length > 0) {
    const more = missing.length > 1 ? ` and ${missing.length - 1} more` : '';
    throw new DroverError(
      'unknown-derivation',
      `expected derivations that were sent before, got ${missing[0]}${more}`,
      {
        paths: missing.slice(0, 100),
      },
    );
  }
  return Array.from(rows);
}

function* parts(rows: readonly number[]): Generator<Uint32Array> {
  for (let start = 0; start < rows.length; start += rowsPerQuestion) {
    yield Uint32Array.from(rows.slice(start, start + rowsPerQuestion));
  }
}
