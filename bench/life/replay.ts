import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openSqliteEventStore } from '../../adapters/event-store/sqlite/store.ts';
import { recover } from '../../coordinator/recovery.ts';
import { guixStoreDir } from '../../test/support/guix-graph.ts';
import { type BenchOptions, type Report, Skipped } from '../row.ts';
import { logFolder } from './life.ts';

/** A coordinator that starts on the log of a whole life: every event read, checked and folded; and reading alone. */
export async function run(report: Report, { work }: BenchOptions): Promise<void> {
  const name = await findLog(work);
  const storeDir = name === 'guix' ? guixStoreDir : '/nix/store';
  const opening = performance.now();
  await using store = await openSqliteEventStore({ dir: logFolder(work, name) });
  report({
    key: 'replay-open',
    name: 'opening the log',
    value: performance.now() - opening,
    unit: 'ms',
    note: `the log of ${name}`,
  });

  // The first reading finds the file in the system's cache or not; it is no measure of the program.
  await read();
  let begun = performance.now();
  const events = await read();
  let seconds = (performance.now() - begun) / 1000;
  const note = `${events} events in ${seconds.toFixed(1)} s`;
  report({
    key: 'replay-raw',
    name: 'replay: reading and parsing alone',
    value: events / seconds,
    unit: 'events/s',
    note,
  });

  begun = performance.now();
  const recovered = await recover(store, storeDir);
  seconds = (performance.now() - begun) / 1000;
  if (recovered.events !== events || recovered.unknown > 0)
    throw new Error(`expected ${events} known events, got ${recovered.events}, ${recovered.unknown} of them unknown`);
  report({
    key: 'replay-farm',
    name: 'replay: read, upcast, validated, folded',
    value: events / seconds,
    unit: 'events/s',
    note: `${events} events in ${seconds.toFixed(1)} s`,
  });

  async function read(): Promise<number> {
    let count = 0;
    for await (const batch of store.readAll()) count += batch.events.length;
    return count;
  }
}

/** The log of Guix, else the largest one there is. */
async function findLog(work: string): Promise<string> {
  const folder = join(work, 'logs');
  const names = existsSync(folder) ? await readdir(folder) : [];
  const sizes = names.filter((name) => /^\d+$/.test(name)).sort((a, b) => Number(b) - Number(a));
  const name = names.includes('guix') ? 'guix' : sizes[0];
  if (name === undefined) throw new Skipped('there is no log to replay, as no bench of the whole life has run');
  return name;
}
