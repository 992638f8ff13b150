import { type EventStore, EventStoreError } from '../../coordinator/ports/event-store.ts';
import { firstCommit } from '../event-store/first-commit.ts';
import { ensureSecretFile, readIfThere } from './secret-file.ts';

/**
 * Ties a data folder to its log, which may be on another machine: the pool and all else that is in the folder mean nothing with another log.
 * A log is known by its first commit.
 */
export interface LogIdentity {
  /** Rejects with `other-log` if the folder belongs to another log. */
  check(store: EventStore): Promise<void>;
  /** Writes down which log the folder belongs to, the first time. The log must not be empty. */
  remember(store: EventStore): Promise<void>;
}

export function logIdentity(file: string): LogIdentity {
  return {
    async check(store) {
      const expected = (await readIfThere(file))?.trim();
      if (expected === undefined) return;
      const found = await firstCommit(store);
      if (found === expected) return;
      throw new EventStoreError(
        'other-log',
        `this data folder belongs to the log that begins with ${expected} (${file}), and the event store has ${found === undefined ? 'an empty log: restore it from the backup if it was lost' : `one that begins with ${found}`}`,
      );
    },
    async remember(store) {
      await ensureSecretFile(file, async () => `${await firstCommit(store)}\n`, 0o644);
    },
  };
}
