import type { Tags } from '../event.ts';
import { maxRootBytes, namesPerEvent } from '../limits.ts';

/** What an event lists of the roots of a submission. */
export interface RootPortion {
  readonly roots: string[];
  /** Of these roots, where they have any. */
  rootTags?: Record<string, Tags>;
}

/** Roots with their tags, in order, as many as an event holds at a time. */
export function rootPortions(
  roots: readonly string[],
  rootTags: Readonly<Record<string, Tags>> = {},
): readonly RootPortion[] {
  const portions: RootPortion[] = [];
  let portion: RootPortion | undefined;
  let bytes = 0;
  for (const root of roots) {
    const tags = rootTags[root];
    const own = root.length + 3 + (tags === undefined ? 0 : root.length + 4 + Buffer.byteLength(JSON.stringify(tags)));
    if (portion === undefined || portion.roots.length === namesPerEvent || bytes + own > maxRootBytes) {
      portion = { roots: [] };
      portions.push(portion);
      bytes = 0;
    }
    bytes += own;
    portion.roots.push(root);
    if (tags !== undefined) {
      portion.rootTags ??= {};
      portion.rootTags[root] = tags;
    }
  }
  return portions;
}
