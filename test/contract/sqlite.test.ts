import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteEventStore } from '../../adapters/event-store/sqlite/store.ts';
import { eventStoreContract } from './event-store.ts';

const notPacked = (reason: string): void => assert.fail(reason);

eventStoreContract(
  'sqlite',
  async () => {
    const dir = await mkdtemp(join(tmpdir(), 'drover-events-'));
    return {
      // Blocks of a few commits, so that all is seen on both sides of where they end, and across it.
      open: () =>
        openSqliteEventStore({
          dir,
          packing: { keep: 4, events: 32, length: 16384, most: 256, freePages: 16 },
          notPacked,
        }),
      [Symbol.asyncDispose]: () => rm(dir, { recursive: true }),
    };
  },
  { reopens: true },
);
