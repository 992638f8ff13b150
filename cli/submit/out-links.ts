import { lstatSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { guixStoreDir } from '../../domain/guix/store-dir.ts';
import type { Client } from '../http/client.ts';
import { cacheRootsOf } from '../http/store-dir.ts';
import { CliError } from '../output/cli-error.ts';
import { linkNames, type OutLinks, type OutLinksOptions } from './link-names.ts';

/** Refuses a path that no link can be at, before anything is built for it. */
export function checkOutLink(path: string): void {
  const folder = dirname(resolve(path));
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory())
    throw wrongLink(`--out-link ${path}: there is no folder ${folder}`);
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there !== undefined && !there.isSymbolicLink())
    throw wrongLink(`--out-link ${path}: expected nothing or a link to be there, got something else`);
}

export interface StoreToFill {
  readonly storeDir: string;
  readonly storeRoot: string | undefined;
  /** Address of the coordinator, and its token, where there is one. */
  readonly coordinator: OutLinksOptions['cache'];
  readonly client: Client;
  readonly signal: AbortSignal;
}

/** Refuses a machine that could not fetch anything into such a store, before anything is built for it; gives the address of the cache to fetch from. */
export async function checkOutStore({
  storeDir,
  storeRoot,
  coordinator,
  client,
  signal,
}: StoreToFill): Promise<OutLinksOptions['cache']> {
  if (storeDir !== '/nix/store' && storeDir !== guixStoreDir)
    throw wrongLink(`--out-link is for stores at /nix/store and ${guixStoreDir}, and this one is at ${storeDir}`);
  if (storeDir === guixStoreDir && storeRoot !== undefined)
    throw wrongLink('expected no --store-root with --out-link for derivations of Guix: its daemon has one store');
  const root = (await cacheRootsOf(client)).get(storeDir);
  if (root === undefined)
    throw wrongLink(`--out-link: the coordinator has no cache of ${storeDir} (its setting other-store-dirs)`);
  const url = `${coordinator.url.replace(/\/$/, '')}/${root}`.replace(/\/$/, '');
  if (storeDir === guixStoreDir) await (await import('./guix-out-links.ts')).checkGuixStore(url, signal);
  else await (await import('./nix-out-links.ts')).checkNixStore(signal);
  return { url, token: coordinator.token };
}

/**
 * Fetches outputs from the coordinator's caches into the stores of this machine, whose Nix or Guix requires the signature of a key that it
 * trusts, and links to them as `nix-build` does: the links are roots of the garbage collector. Rejects when `signal` aborts.
 */
export async function makeOutLinks(
  links: OutLinks,
  { progress, ...store }: Omit<StoreToFill, 'storeDir'> & Pick<OutLinksOptions, 'progress'>,
): Promise<void> {
  for (const [storeDir, named] of Map.groupBy(linkNames(links), ([, target]) => dirname(target))) {
    const cache = await checkOutStore({ ...store, storeDir });
    const options = { ...store, cache, progress };
    if (storeDir === guixStoreDir) await (await import('./guix-out-links.ts')).linkByGuix(named, options);
    else await (await import('./nix-out-links.ts')).linkByNix(named, options);
  }
}

function wrongLink(message: string): CliError {
  return new CliError('wrong-use', message, { exitCode: 2 });
}
