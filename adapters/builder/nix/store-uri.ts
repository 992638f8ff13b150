import { decodedPath } from '../decoded-path.ts';

/** Where the store is and how its daemon is reached. */
export type StoreAddress =
  /** A daemon's socket. */
  | { readonly kind: 'socket'; readonly path: string }
  /** `nix-daemon --stdio` of our own on a store below `root`. */
  | { readonly kind: 'chroot'; readonly root: string };

/** Where Nix itself looks for the system's daemon. */
const systemSocket = () => process.env.NIX_DAEMON_SOCKET_PATH || '/nix/var/nix/daemon-socket/socket';

/**
 * Reads the value of `--store`: `auto` or `daemon` (the system's daemon), `unix:///path`, `local?root=/dir`. Throws a
 * RangeError that says what was expected.
 */
export function parseStoreUri(uri: string): StoreAddress {
  if (uri === 'auto' || uri === 'daemon') return { kind: 'socket', path: systemSocket() };
  if (uri.startsWith('unix://')) {
    const path = decodedPath(uri.slice('unix://'.length));
    if (path?.startsWith('/')) return { kind: 'socket', path };
  }
  if (uri.startsWith('local?')) {
    const parameters = new URLSearchParams(uri.slice('local?'.length));
    const root = parameters.get('root');
    if (root?.startsWith('/') && [...parameters.keys()].length === 1) return { kind: 'chroot', root };
  }
  throw new RangeError(`expected auto, daemon, unix:///<path> or local?root=/<dir>, got ${JSON.stringify(uri)}`);
}
