import type * as z from 'zod';
import { excerpt } from './store/format-error.ts';

const mostShown = 20;

/** What an issue of zod has, and what is made of one on its way through fastify. */
export interface Issue {
  readonly code: string;
  readonly message: string;
  readonly [more: string]: unknown;
}

/** All that is wrong with a value, of which each says the field, what is expected there, and what was there. One line. */
export function describeIssues(error: z.ZodError, value: unknown, whole: string): string {
  const all = error.issues as unknown as readonly (Issue & { readonly path: readonly PropertyKey[] })[];
  const shown = all.slice(0, mostShown).map((issue) => {
    const path = issue.path.map(String);
    const { expected, got } = describeIssue(issue, path, value);
    return `${path.join('.') || whole}: expected ${expected}, got ${got}`;
  });
  return `${shown.join('; ')}${all.length > shown.length ? `; and ${all.length - shown.length} more` : ''}`;
}

/** What was expected where the issue is, and what was there; each to follow the word. */
export function describeIssue(
  issue: Issue,
  path: readonly string[],
  value: unknown,
): { readonly expected: string; readonly got: string } {
  // Of fields that are not known, the value of the first says more than that they were in an object.
  const unknown = issue.code === 'unrecognized_keys' ? (issue.keys as readonly string[]).slice(0, 1) : [];
  return { expected: expectation(issue), got: found(valueAt(value, [...path, ...unknown])) };
}

/** What zod calls the types of JSON, in the words of {@link found}. */
const typeWords: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  record: 'an object',
  array: 'a list',
};

/** What was expected where the issue is, to follow the word. */
export function expectation(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return typeWords[String(issue.expected)] ?? String(issue.expected);
    case 'invalid_value':
      return oneOf((issue.values as readonly unknown[]).map((value) => JSON.stringify(value)));
    case 'too_small':
      return sized(issue, `at least ${String(issue.minimum)}`);
    case 'too_big':
      return sized(issue, `at most ${String(issue.maximum)}`);
    case 'unrecognized_keys': {
      const keys = issue.keys as string[];
      const shown = keys.slice(0, mostShown).map((key) => excerpt(key, 40));
      return `nothing named ${shown.join(', ')}${keys.length > shown.length ? ` and ${keys.length - shown.length} more` : ''}`;
    }
    case 'invalid_union': {
      // The field that tells which of several forms a thing has.
      if (Array.isArray(issue.options)) return oneOf(issue.options.map((value) => JSON.stringify(value)));
      const ways = (issue.errors as readonly (readonly Issue[])[]).flatMap(([first]) => first ?? []);
      return issue.message === noMessage ? [...new Set(ways.map(expectation))].join(' or ') : expectedIn(issue);
    }
    default:
      return expectedIn(issue);
  }
}

/** What a bound is of: of a number it is the number itself. */
function sized({ origin }: Issue, bound: string): string {
  if (origin === 'string') return `${bound} character${bound.endsWith(' 1') ? '' : 's'}`;
  return origin === 'array' ? `a list of ${bound}` : bound;
}

const oneOf = (values: readonly string[]): string =>
  values.length > 1 ? `one of ${values.join(', ')}` : `${values[0]}`;

/** What zod says where a schema does not. */
const noMessage = 'Invalid input';
const expectedIn = ({ message }: Issue): string => message.replace(/^expected /, '');

/** What is at a path within a value; `undefined` where that leads nowhere. */
export function valueAt(value: unknown, path: readonly string[]): unknown {
  let found = value;
  for (const step of path) {
    // The rest of the path leads into what was made of a text, such as a list with commas.
    if (typeof found === 'string') return found;
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, step)) return undefined;
    found = (found as Record<string, unknown>)[step];
  }
  return found;
}

/** A value in a few words: an excerpt of it as JSON, or what kind of thing it is. */
export function found(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') return excerpt(value, 80);
  const kind = Array.isArray(value)
    ? `a list of ${value.length}`
    : typeof value === 'object' && value !== null
      ? 'an object'
      : undefined;
  return kind ?? String(value);
}
