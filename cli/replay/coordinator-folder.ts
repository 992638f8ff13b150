import { join, resolve } from 'node:path';
import { isThere } from '../../adapters/data-dir/is-there.ts';
import { logIdentity } from '../../adapters/data-dir/log-identity.ts';
import { openEventStore } from '../../adapters/event-store/open.ts';
import type { StoreAddress } from '../../adapters/event-store/store-url.ts';
import type { EventStore } from '../../coordinator/ports/event-store.ts';
import { CliError } from '../output/cli-error.ts';

/**
 * The data folder of a coordinator that a flag names, absolute.
 *
 * @throws CliError where it is none, or not this user's to read
 */
export function coordinatorFolder(data: string): string {
  const dir = resolve(data);
  if (!isThereFor(dir, 'log-id'))
    throw new CliError('not-found', `expected the data folder of a coordinator, got ${dir}`, { exitCode: 2 });
  return dir;
}

/**
 * The folder that a flag names and that has a log of SQLite, absolute.
 *
 * @throws CliError where it has none, or is not this user's to read
 */
export function folderOfLog(data: string): string {
  const dir = resolve(data);
  if (!isThereFor(dir, 'events.db'))
    throw new CliError('not-found', `expected a folder with an events.db, got ${dir}`, { exitCode: 2 });
  return dir;
}

function isThereFor(dir: string, name: string): boolean {
  try {
    return isThere(join(dir, name));
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    const hint = 'run this as the user whose coordinator it is';
    throw new CliError(code, `${dir}: ${message}`, { hint: code === 'EACCES' ? hint : undefined });
  }
}

/**
 * The log that a data folder was made with, for looking in: of another one its views and snapshots would say nothing.
 *
 * @throws EventStoreError `other-log` where what is at the address is another one
 * @throws CliError where it is said to be in the folder, and is not
 */
export async function openLogOf(dir: string, address: StoreAddress, as: string): Promise<EventStore> {
  if (address.kind === 'sqlite' && address.dir === undefined && !isThereFor(dir, 'events.db'))
    throw new CliError('not-found', `expected the log in ${dir}, and there is no events.db`, {
      exitCode: 2,
      hint: 'say with --store where it is, as the coordinator is told; if it was lost, restore it',
    });
  const log = await openEventStore(address, { dir, write: false, as });
  try {
    await logIdentity(join(dir, 'log-id')).check(log);
    return log;
  } catch (error) {
    await log[Symbol.asyncDispose]();
    throw error;
  }
}
