import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteEventStore } from '../../adapters/event-store/sqlite/store.ts';
import { eventStoreContract } from './event-store.ts';

eventStoreContract(
  'sqlite',
  async () => {
    const dir = await mkdtemp(join(tmpdir(), 'drover-events-'));
    return {
      open: () => openSqliteEventStore({ dir }),
      [Symbol.asyncDispose]: () => rm(dir, { recursive: true }),
    };
  },
  { reopens: true },
);
