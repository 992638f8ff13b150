import { openMemoryEventStore } from '../../adapters/event-store/memory/store.ts';
import { eventStoreContract } from './event-store.ts';

eventStoreContract(
  'memory',
  async () => ({ open: async () => openMemoryEventStore(), [Symbol.asyncDispose]: async () => {} }),
  { reopens: false },
);
