import { resolve } from 'node:path';
import { lockForWriting } from '../../adapters/event-store/sqlite/lock.ts';
import { isEventStoreError } from '../../coordinator/ports/event-store.ts';
import { CliError } from '../output/cli-error.ts';

/** Runs while no coordinator has the folder, where there is one. */
export async function whileStopped<Value>(data: string | undefined, run: () => Promise<Value>): Promise<Value> {
  try {
    using _lock = data === undefined ? undefined : lockForWriting(resolve(data));
    return await run();
  } catch (error) {
    if (isEventStoreError(error)) throw new CliError(error.code, error.message, { cause: error });
    throw error;
  }
}
