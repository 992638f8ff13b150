import { DroverError } from '../../../coordinator/errors.ts';
import type { Paging } from '../../../coordinator/ports/views.ts';

/** The lists that are paged; a token of one is refused by the others. */
export type ListKind = 'builds' | 'items' | 'submissions' | 'earlier-builds';

const maxLimit = 1000;
const prefixes = { builds: 'b', items: 'i', submissions: 's', 'earlier-builds': 'e' } as const satisfies Record<
  ListKind,
  string
>;

/** Where a page begins: rows with a `seq` below `before`. */
export interface PageStart {
  readonly limit: number;
  readonly before: number;
}

/** The token that continues a list below `seq`. It stays good when the views are rebuilt: the same log gives the same rows. */
export function writeCursor(kind: ListKind, seq: number): string {
  return prefixes[kind] + seq.toString(36);
}

/** Throws `invalid-request` for a limit or a token that is not of the expected form. */
export function readPaging(kind: ListKind, { limit, after }: Paging): PageStart {
  if (!Number.isInteger(limit) || limit < 1 || limit > maxLimit) {
    throw new DroverError('invalid-request', `expected \`limit\` to be from 1 to ${maxLimit}, got ${limit}`);
  }
  if (after === undefined) return { limit, before: Number.MAX_SAFE_INTEGER };
  const before = /^[bise](0|[1-9a-z][0-9a-z]{0,10})$/.test(after) ? Number.parseInt(after.slice(1), 36) : Number.NaN;
  if (!Number.isSafeInteger(before) || after[0] !== prefixes[kind]) {
    const got = JSON.stringify(after.slice(0, 40));
    throw new DroverError('invalid-request', `expected \`after\` to be the \`next\` of a page of ${kind}, got ${got}`);
  }
  return { limit, before };
}
