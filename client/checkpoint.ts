import type { Checkpoint } from './events.ts';

/** `localStorage` of a page, or what has the same two functions. */
export interface TextStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

/** Keeps a place in the log in the storage of a page: `checkpoint: storageCheckpoint(localStorage, 'drover')`. */
export function storageCheckpoint(storage: TextStorage, key: string): Checkpoint {
  return {
    load: async () => storage.getItem(key) ?? undefined,
    save: async (position) => storage.setItem(key, position),
  };
}
