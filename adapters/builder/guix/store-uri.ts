import { decodedPath } from '../decoded-path.ts';

/** Where the system's daemon listens, as Guix itself finds out. */
const systemSocket = (): string => {
  const given = process.env.GUIX_DAEMON_SOCKET ?? '';
  if (given.startsWith('unix://')) return given.slice('unix://'.length);
  return given.startsWith('/') ? given : `${process.env.GUIX_STATE_DIRECTORY || '/var/guix'}/daemon-socket/socket`;
};

/** The socket that the value of `--store` means for a store of Guix: `auto` or `daemon` (the system's), `unix:///path` or `/path`. Throws a RangeError that says what was expected. */
export function parseGuixStore(store: string): string {
  if (store === 'auto' || store === 'daemon') return systemSocket();
  if (store.startsWith('/')) return store;
  const path = store.startsWith('unix://') ? decodedPath(store.slice('unix://'.length)) : undefined;
  if (path?.startsWith('/')) return path;
  throw new RangeError(
    `expected auto, daemon or unix:///<path> beside a guix-daemon, got ${JSON.stringify(store)}: Guix has no stores of an agent's own`,
  );
}
