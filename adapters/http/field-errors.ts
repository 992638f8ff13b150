import { hasZodFastifySchemaValidationErrors, type ZodFastifySchemaValidationError } from 'fastify-type-provider-zod';
import * as z from 'zod';
import { excerpt } from '../../domain/store/format-error.ts';

/** One field of a request that is not as expected. */
export interface FieldError {
  /** `body.roots.3`, `querystring.limit`, `headers.upload-offset` … */
  readonly field: string;
  readonly expected: string;
  /** An excerpt of the value as JSON; `nothing` where there was none. */
  readonly got: string;
}

const mostShown = 20;

/**
 * The fields that an error of validation is about; `undefined` for any other error. Both what fastify reports and a
 * {@link z.ZodError} that a route threw are understood.
 *
 * @param request has the parts (`body`, `querystring` …) in which the values are found.
 */
export function fieldErrors(
  error: unknown,
  request?: Readonly<Record<string, unknown>>,
): readonly FieldError[] | undefined {
  if (hasZodFastifySchemaValidationErrors(error)) {
    const part = error.validationContext ?? 'body';
    const value = request?.[part === 'querystring' ? 'query' : part];
    return error.validation.slice(0, mostShown).map((issue) => ofFastify(issue, part, value));
  }
  if (error instanceof z.ZodError) {
    return error.issues
      .slice(0, mostShown)
      .map((issue) => describe(issue as unknown as Issue, issue.path.map(String), 'body', undefined));
  }
  return undefined;
}

/** What both shapes of an issue have. */
interface Issue {
  readonly code: string;
  readonly message: string;
  readonly [more: string]: unknown;
}

function ofFastify(issue: ZodFastifySchemaValidationError, part: string, value: unknown): FieldError {
  const path = (issue.instancePath ?? '').split('/').filter((step) => step !== '');
  return describe(
    { ...issue.params, code: issue.keyword ?? 'custom', message: issue.message ?? '' },
    path,
    part,
    value,
  );
}

function describe(issue: Issue, path: readonly string[], part: string, value: unknown): FieldError {
  // Of fields that are not known, the value of the first says more than that they were in an object.
  const unknown = issue.code === 'unrecognized_keys' ? (issue.keys as readonly string[]).slice(0, 1) : [];
  return {
    field: [part, ...path].join('.'),
    expected: expectation(issue),
    got: found(valueAt(value, [...path, ...unknown])),
  };
}

function expectation(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.expected === 'int' ? 'a whole number' : String(issue.expected);
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
      const ways = (issue.errors as readonly (readonly Issue[])[]).flatMap(([first]) => first ?? []);
      return issue.message === noMessage ? [...new Set(ways.map(expectation))].join(' or ') : expectedIn(issue);
    }
    default:
      return expectedIn(issue);
  }
}

/** What a bound is of: of a number it is the number itself. */
function sized({ origin }: Issue, bound: string): string {
  if (origin === 'string') return `${bound} characters`;
  return origin === 'array' ? `a list of ${bound}` : bound;
}

const oneOf = (values: readonly string[]): string =>
  values.length > 1 ? `one of ${values.join(', ')}` : `${values[0]}`;

/** What zod says where a schema does not. */
const noMessage = 'Invalid input';
const expectedIn = ({ message }: Issue): string => message.replace(/^expected /, '');

function valueAt(value: unknown, path: readonly string[]): unknown {
  let found = value;
  for (const step of path) {
    // The rest of the path leads into what was made of a text, such as a list with commas.
    if (typeof found === 'string') return found;
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, step)) return undefined;
    found = (found as Record<string, unknown>)[step];
  }
  return found;
}

function found(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') return excerpt(value, 80);
  const kind = Array.isArray(value)
    ? `a list of ${value.length}`
    : typeof value === 'object' && value !== null
      ? 'an object'
      : undefined;
  return kind ?? String(value);
}
