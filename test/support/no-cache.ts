import type { OwnCache } from '../../adapters/hooks/cache-folder.ts';

/** A coordinator's cache that has nothing, for hooks that do not look. */
export const noCache: OwnCache = {
  info: 'StoreDir: /nix/store\n',
  storeDirs: ['/nix/store'],
  pool: '/nowhere',
  folders: [],
  narinfo: async () => undefined,
  upstreamNar: async () => undefined,
  lackOf: async (path) => path,
  doubt() {},
};
