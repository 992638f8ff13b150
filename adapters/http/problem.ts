import type { FastifyRequest } from 'fastify';
import * as z from 'zod';
import { type ErrorCode, errorCodes, isDroverError } from '../../coordinator/errors.ts';
import { isExhausted } from '../runtime/open-files.ts';
import { noSessionCookies } from './dashboard/session-cookie.ts';
import { fieldErrors } from './field-errors.ts';

/** An answer that is not the wished-for one (RFC 9457, application/problem+json). */
export const problemSchema = z.looseObject({
  /** Where the code is explained. */
  type: z.string(),
  title: z.string(),
  status: z.int(),
  /** What was expected and what came. */
  detail: z.string(),
  /** Stable; one of docs/errors.md. */
  code: z.string(),
  /** The path that was asked for. */
  instance: z.string(),
  /** To be found in the coordinator's log. */
  requestId: z.string(),
  /** For `invalid-request`: each field that is not as expected. */
  errors: z.array(z.object({ field: z.string(), expected: z.string(), got: z.string() })).optional(),
});
export type Problem = z.infer<typeof problemSchema>;
export const problemType = 'application/problem+json; charset=utf-8';

/** What a route threw, as far as it is told: a code of the registry, never the inside of an unexpected error. */
export interface Fault {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly details: Readonly<Record<string, unknown>>;
  /** Whether it is a bug or trouble inside, to be logged with its stack. */
  readonly unexpected: boolean;
}

/** @param request where the values of fields that failed validation are looked up. */
export function faultOf(error: unknown, request?: Readonly<Record<string, unknown>>): Fault {
  if (isDroverError(error))
    return {
      code: error.code,
      detail: error.message,
      details: error.details,
      unexpected: error.code === 'internal-error' || error.code === 'log-damaged',
    };
  if (!(error instanceof Error)) return internal;
  const { code, statusCode } = error as { code?: unknown; statusCode?: unknown };
  // By name, not by class: the error may come from another copy of the package.
  if (error.name === 'EventStoreError') {
    return code === 'disk-full'
      ? { code: 'disk-full', detail: 'the disk of the event store is full', details: {}, unexpected: true }
      : {
          code: 'store-unavailable',
          detail: `the event store cannot be written or read: ${String(code)}`,
          details: {},
          unexpected: true,
        };
  }
  if (isExhausted(error)) return { code: 'not-ready', detail: noneLeft, details: {}, unexpected: true };
  const errors = fieldErrors(error, request);
  if (errors !== undefined) {
    const [first] = errors;
    const detail = first === undefined ? error.message : `${first.field}: expected ${first.expected}, got ${first.got}`;
    return { code: 'invalid-request', detail, details: { errors }, unexpected: false };
  }
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return refusal('body-too-large', bodySize(request));
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return refusal('unsupported-media-type', mediaTypes(request));
  if (code === 'FST_ERR_CTP_EMPTY_JSON_BODY') return refusal('invalid-request', 'body: expected JSON, got nothing');
  // Its parser does not say which of these it was.
  if (code === 'FST_ERR_CTP_INVALID_JSON_BODY')
    return refusal(
      'invalid-request',
      'body: expected JSON (no key of which is __proto__ or constructor.prototype), got other text',
    );
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500)
    return refusal('invalid-request', error.message);
  return internal;
}

/** The route's limit, in words. */
function bodySize(request: Readonly<Record<string, unknown>> | undefined): string {
  const { routeOptions } = (request ?? {}) as Partial<Pick<FastifyRequest, 'routeOptions'>>;
  const most = routeOptions?.bodyLimit;
  return most === undefined ? 'expected a smaller body' : `expected a body of at most ${most} bytes, got more`;
}

/** What the route takes and what came, in words. */
function mediaTypes(request: Readonly<Record<string, unknown>> | undefined): string {
  const { headers, routeOptions } = (request ?? {}) as Partial<Pick<FastifyRequest, 'headers' | 'routeOptions'>>;
  const expected = routeOptions?.schema?.consumes ?? ['application/json'];
  return `Content-Type: expected ${expected.join(' or ')}, got ${headers?.['content-type']?.slice(0, 100) ?? 'none'}`;
}

const noneLeft =
  'the coordinator has no file descriptors or threads left: what others have opened has to end first, or its operator raises LimitNOFILE';

const internal: Fault = {
  code: 'internal-error',
  detail: 'an error that Drover did not expect; the log has more under the request id',
  details: {},
  unexpected: true,
};

function refusal(code: ErrorCode, detail: string): Fault {
  return { code, detail, details: {}, unexpected: false };
}

export function problemOf(fault: Fault, instance: string, requestId: string): Problem {
  const [status, title] = errorCodes[fault.code];
  const type = `/docs/errors#${fault.code}`;
  const own = { type, title, status, detail: fault.detail, code: fault.code, instance, requestId };
  // Own members first, for whoever reads it, and last, so that no detail can replace one.
  return { ...own, ...fault.details, ...own };
}

/** What is asked for where a token is missing. Source: RFC 6750, section 3. */
export const bearerChallenge = 'Bearer realm="drover"';

/** Headers that go with a problem. */
export function problemHeaders(fault: Fault): Record<string, string | string[]> {
  const [status] = errorCodes[fault.code];
  const headers: Record<string, string | string[]> = { 'content-type': problemType, 'cache-control': 'no-store' };
  // Basic as well: it is what programs that read netrc can do.
  if (status === 401) headers['www-authenticate'] = `${bearerChallenge}, Basic realm="drover"`;
  // The next request of the browser is one of somebody who is not logged in.
  if (fault.code === 'session-ended') headers['set-cookie'] = [...noSessionCookies];
  const { offset, retryAfter = 5 } = fault.details;
  if (status === 503 || status === 429) headers['retry-after'] = String(retryAfter);
  // A client that resumes an upload finds the place to go on in the same header as in a good answer.
  if (typeof offset === 'number') headers['upload-offset'] = String(offset);
  return headers;
}
