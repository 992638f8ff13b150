import type { Condition } from './list-page.ts';

/** How a part of a name is looked for, without regard to case. */
export type NameSearch =
  /** Every name has the empty part. */
  | 'all'
  /** No name has it: not a character of a store path's name, or longer than a name can be. */
  | 'none'
  | {
      /** The FTS5 expression whose rows have all its trigrams; absent for a part that is shorter than a trigram. */
      readonly match?: string;
      /** The lower-case part that the name itself has to have. */
      readonly part: string;
    };

/** Each trigram costs time for every name that has the others; more than these seldom narrow anything down. */
const maxTrigrams = 3;

export function searchName(part: string): NameSearch {
  if (part === '') return 'all';
  if (!/^[0-9a-zA-Z+\-._?=]{1,211}$/.test(part)) return 'none';
  const lower = part.toLowerCase();
  const last = lower.length - 3;
  if (last < 0) return { part: lower };
  const trigrams = new Set<string>();
  for (let step = 0; step < maxTrigrams; step++) {
    // The first, one in the middle and the last.
    const at = Math.round((last * step) / (maxTrigrams - 1));
    trigrams.add(lower.slice(at, at + 3));
  }
  return { match: [...trigrams].map((trigram) => `"${trigram}"`).join(' AND '), part: lower };
}

/** The condition that the name in `column` has the part. */
export function nameHas(column: string, part: string): Condition {
  return { sql: `instr(lower(${column}), ?) > 0`, values: [part] };
}

/** The condition that the row is not in the full-text index of its list yet. */
export function notNamed(list: 'builds' | 'items', seq: string): Condition {
  return { sql: `${seq} > coalesce((SELECT seq FROM named WHERE list = ?), 0)`, values: [list] };
}
