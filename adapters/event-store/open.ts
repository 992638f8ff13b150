import { hostname } from 'node:os';
import type { EventStore } from '../../coordinator/ports/event-store.ts';
import type { StoreAddress } from './store-url.ts';

export interface OpenOptions {
  /** Folder of the SQLite engine where the address names none. */
  readonly dir: string;
  /** The one writer, or only for looking in. */
  readonly write: boolean;
  /** What else the writer is, beside its host and process, for whoever is refused. */
  readonly as: string;
  /** Told why the older part of a log on SQLite could not be packed. */
  readonly notPacked?: (reason: string) => void;
  /** Has a log in a cluster of NATS that is just starting waited for, a minute at most: told what is missing. */
  readonly waiting?: (what: string) => void;
}

/** In seconds; a service manager starts a coordinator again that has waited in vain. */
const longestWait = 60;

/** Opens any engine. An engine's code is loaded only where it is used. */
export async function openEventStore(
  address: StoreAddress,
  { dir, write, as, notPacked, waiting }: OpenOptions,
): Promise<EventStore> {
  const holder = `${as} on ${hostname()}, process ${process.pid}`;
  switch (address.kind) {
    case 'sqlite': {
      const { openSqliteEventStore } = await import('./sqlite/store.ts');
      return openSqliteEventStore({ dir: address.dir ?? dir, readOnly: !write, ...(notPacked && { notPacked }) });
    }
    case 'nats': {
      const { openNatsEventStore } = await import('./nats/store.ts');
      return openNatsEventStore({
        ...address.options,
        writer: write ? { holder } : 'none',
        ...(waiting && { waiting: { seconds: longestWait, tell: waiting } }),
      });
    }
    case 'eventstoredb': {
      const { openEventStoreDbEventStore } = await import('./eventstoredb/store.ts');
      return openEventStoreDbEventStore({ connectionString: address.connectionString, writer: write && { holder } });
    }
  }
}
