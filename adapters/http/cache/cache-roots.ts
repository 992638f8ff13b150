import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { guixStoreDir } from '../../../domain/guix/store-dir.ts';

/** Below which path of the server the cache of a store directory is. */
export interface CacheRoot {
  /** `''`, `/nix`, `/guix`. */
  readonly prefix: string;
  readonly storeDir: string;
}

const prefixes: Readonly<Record<string, string>> = { '/nix/store': '/nix', [guixStoreDir]: '/guix' };

/**
 * The cache of the first store directory is at the root. Where there are several, each has one of its own as well: a client that is told
 * that one need not know which is the first.
 */
export function cacheRoots(storeDirs: readonly string[]): readonly CacheRoot[] {
  const [first = ''] = storeDirs;
  const own = storeDirs.flatMap((storeDir) => {
    const prefix = prefixes[storeDir];
    return prefix === undefined ? [] : [{ prefix, storeDir }];
  });
  return [{ prefix: '', storeDir: first }, ...(storeDirs.length > 1 ? own : [])];
}

/** Routes of a cache; what they share is made once for all roots. */
export type CachePlugin = (root: CacheRoot) => FastifyPluginAsyncZod;

/** Whether an item is served at this root. */
export function isAt(
  { storeDir }: CacheRoot,
  first: string,
  item: { readonly storeDir?: string | undefined } | undefined,
): boolean {
  return item !== undefined && (item.storeDir ?? first) === storeDir;
}
