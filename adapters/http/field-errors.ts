import { hasZodFastifySchemaValidationErrors, type ZodFastifySchemaValidationError } from 'fastify-type-provider-zod';
import * as z from 'zod';
import { describeIssue, type Issue } from '../../domain/schema-issues.ts';

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

function ofFastify(issue: ZodFastifySchemaValidationError, part: string, value: unknown): FieldError {
  const path = (issue.instancePath ?? '').split('/').filter((step) => step !== '');
  return describe(
    { ...issue.params, code: issue.keyword ?? 'custom', message: issue.message ?? '' },
    path,
    part,
    value,
  );
}

/** What a check of several fields together found, as it says it itself: of which one it is where it is of one, and what came. */
const saysItself = /^(?:(?<field>\w+): )?expected (?<expected>.*), got (?<got>.*)$/s;

function describe(issue: Issue, path: readonly string[], part: string, value: unknown): FieldError {
  const said = issue.code === 'custom' ? saysItself.exec(issue.message)?.groups : undefined;
  const field = [part, ...path, ...(said?.field === undefined ? [] : [said.field])].join('.');
  const { expected, got } = { ...describeIssue(issue, path, value), ...said };
  return { field, expected, got };
}
