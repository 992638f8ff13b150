import { writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { openEventStore } from '../event-store/open.ts';
import type { StoreAddress } from '../event-store/store-url.ts';
import { type MadeSnapshot, makeSnapshot } from './make.ts';

/** The program of a process that folds the log beside the coordinator and writes down what it has then. See maker-process.ts. */
export interface ToMaker {
  readonly store: StoreAddress;
  /** Folder of the SQLite engine where the address names none. */
  readonly dir: string;
  /** Where snapshots are. */
  readonly snapshots: string;
}

export type FromMaker = { readonly written: MadeSnapshot } | { readonly failed: string };

const lowest = 19;

async function make({ store: address, dir, snapshots }: ToMaker): Promise<FromMaker> {
  await using store = await openEventStore(address, { dir, write: false, as: 'snapshots of drover' });
  const written = await makeSnapshot(store, snapshots);
  return written === undefined ? { failed: 'the log is empty' } : { written };
}

process.once('message', (told: ToMaker) => {
  try {
    setPriority(lowest);
  } catch {
    // It goes on as it is.
  }
  try {
    // Where memory runs out, this is what can be done without, and not the coordinator.
    writeFileSync('/proc/self/oom_score_adj', '1000');
  } catch {
    // Likewise; and where the system has no such file.
  }
  void make(told)
    .catch((error: unknown): FromMaker => ({ failed: error instanceof Error ? error.message : String(error) }))
    .then((answer) => process.send?.(answer, () => process.disconnect()));
});
// The coordinator has gone: nobody waits for it, and the next one makes its own.
process.once('disconnect', () => process.exit());
