import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openSqliteEventStore } from '../../adapters/event-store/sqlite/store.ts';
import { recover } from '../../coordinator/log/recovery.ts';
import { guixStoreDir } from '../../test/support/guix-graph.ts';
import { reportExport, withServer } from '../feed/feed.ts';
import { type BenchOptions, type Report, Skipped } from '../row.ts';
import { logFolder } from './life.ts';

/** A coordinator that starts on the log of a whole life: every event read, checked and folded; reading alone; and the same log exported. */
export async function run(report: Report, { work }: BenchOptions): Promise<void> {
  const name = await findLog(work);
  const dir = logFolder(work, name);
  const events = await replays(report, name, dir);
  if (process.platform !== 'linux') return;
  await withServer(dir, events, (server, url) =>
    reportExport(report, 'replay-export', 'the same log exported over HTTP', server, url, events),
  );
}

/** Returns the number of events. */
async function replays(report: Report, name: string, dir: string): Promise<number> {
  const storeDir = name === 'guix' ? guixStoreDir : '/nix/store';
  const opening = performance.now();
  await using store = await openSqliteEventStore({ dir });
  report({
    key: 'replay-open',
    name: 'opening the log',
    value: performance.now() - opening,
    unit: 'ms',
    note: `the log of ${name}`,
  });

  // The first reading finds the file in the system's cache or not; it is no measure of the program.
  await read();
  const events = await timed('replay-raw', 'replay: reading and parsing alone', read);
  await timed('replay-farm', 'replay: read, upcast, validated, folded', fold);
  // As warm as an export of a server that has run for a while.
  await timed('replay-farm-again', 'replay: read, upcast, validated, folded, once more', fold);
  return events;

  async function timed(key: string, name: string, replay: () => Promise<number>): Promise<number> {
    const begun = performance.now();
    const count = await replay();
    const seconds = (performance.now() - begun) / 1000;
    const note = `${count} events in ${seconds.toFixed(1)} s`;
    report({ key, name, value: count / seconds, unit: 'events/s', note });
    return count;
  }

  async function read(): Promise<number> {
    let count = 0;
    for await (const batch of store.readAll()) count += batch.events.length;
    return count;
  }

  async function fold(): Promise<number> {
    const recovered = await recover(store, storeDir);
    if (recovered.unknown > 0) throw new Error(`expected known events, got ${recovered.unknown} unknown ones`);
    return recovered.events;
  }
}

/** The log of Guix, else the largest one there is. */
export async function findLog(work: string): Promise<string> {
  const folder = join(work, 'logs');
  const names = existsSync(folder) ? await readdir(folder) : [];
  const sizes = names.filter((name) => /^\d+$/.test(name)).sort((a, b) => Number(b) - Number(a));
  const name = names.includes('guix') ? 'guix' : sizes[0];
  if (name === undefined) throw new Skipped('there is no log to replay, as no bench of the whole life has run');
  return name;
}
