import type { StoreItem } from '../../../domain/item/events.ts';

type FileName = Pick<StoreItem['file'], 'hash' | 'compression'>;

/** Where a file is fetched, relative to the cache's root: `nar/<hash in nix-base32>.nar[.zst]`. Clients keep it for weeks: it never changes. */
export function narUrl({ hash, compression }: FileName): string {
  return `nar/${hash.slice('sha256:'.length)}.nar${compression === 'zstd' ? '.zst' : ''}`;
}

/** The file that `<hash>.nar[.zst]` names; `undefined` if it names none. */
export function parseNarName(name: string): FileName | undefined {
  const match = /^([0-9abcdfghijklmnpqrsvwxyz]{52})\.nar(\.zst)?$/.exec(name);
  return match === null
    ? undefined
    : { hash: `sha256:${match[1]}`, compression: match[2] === undefined ? 'none' : 'zstd' };
}

/** Whether a NAR may be sent under this name: the hash of the file, and how it is compressed, of which only its narinfo is believed. */
export function parseStagedName(name: string): boolean {
  return /^[0-9abcdfghijklmnpqrsvwxyz]{52}\.nar(\.[a-z0-9]{1,8})?$/.test(name);
}
