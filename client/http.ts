import { DroverProblem, DroverUnreachable } from './errors.ts';

export type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

export interface RequestOptions {
  readonly query?: Query;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | ReadableStream<Uint8Array>;
  readonly signal?: AbortSignal;
}

export interface HttpOptions {
  /** Where the coordinator answers, for example `https://drover.example.org`. */
  readonly url: string;
  readonly token?: string | undefined;
  /** Ends every request when it aborts. */
  readonly signal?: AbortSignal | undefined;
  /** Instead of the global one. */
  readonly fetch?: typeof fetch;
}

/** One request to a coordinator. */
export interface Http {
  readonly url: string;
  /**
   * The answer as it comes, once its status is good.
   *
   * @throws {DroverProblem} if the coordinator refuses
   * @throws {DroverUnreachable} if no answer comes, or one that is not a coordinator's
   */
  request(method: string, path: string, options?: RequestOptions): Promise<Response>;
}

export function createHttp({ url, token, signal: always, fetch: send = globalThis.fetch }: HttpOptions): Http {
  const base = url.replace(/\/+$/, '');
  // What refuses such a header repeats it.
  if (token !== undefined && !/^[\x21-\x7e]*$/.test(token.trim()))
    throw new TypeError('expected a token of printable ASCII characters without spaces, got something else');
  return {
    url: base,
    async request(method, path, { query, headers, body, signal } = {}) {
      const signals = [signal, always].filter((one) => one !== undefined);
      const init = {
        method,
        // What is sent is meant for the coordinator alone, and a POST that was redirected comes as a GET to where it leads.
        redirect: 'manual' as const,
        headers: {
          accept: 'application/json',
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: body as NonNullable<RequestInit['body']> }),
        // Needed for a streamed body: the answer is read after all of it was sent.
        ...(body instanceof ReadableStream ? { duplex: 'half' as const } : {}),
        ...(signals.length === 0 ? {} : { signal: AbortSignal.any(signals) }),
      };
      let response: Response;
      try {
        response = await send(`${base}${path}${queryText(query)}`, init);
      } catch (cause) {
        if (signals.some(({ aborted }) => aborted)) throw cause;
        throw new DroverUnreachable(`${base} does not answer: ${reasonOf(cause)}`, { cause });
      }
      if (!response.ok) throw await refusal(response, base);
      return response;
    },
  };
}

/** More than any answer has: what goes on beyond it is no coordinator's, or has no end. */
const longestAnswer = 256 * 1024 * 1024;
const longestProblem = 1024 * 1024;
/** However long somebody on the way says to wait. */
const longestRetryAfter = 300_000;

/**
 * The text of an answer from `url`.
 *
 * @throws {DroverUnreachable} if it breaks off
 * @throws {DroverProblem} `unexpected-answer` if it is longer than so many bytes
 */
export async function readText(response: Response, url: string, most: number = longestAnswer): Promise<string> {
  const decoder = new TextDecoder();
  const reader = response.body?.getReader();
  let text = '';
  let size = 0;
  try {
    for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
      size += part.value.length;
      if (size > most) break;
      text += decoder.decode(part.value, { stream: true });
    }
  } catch (cause) {
    throw new DroverUnreachable(`${url} broke off its answer: ${reasonOf(cause)}`, { cause });
  } finally {
    await reader?.cancel().catch(() => {});
  }
  if (size <= most) return text + decoder.decode();
  const message = `${url} answered with more than ${most} bytes`;
  throw new DroverProblem('unexpected-answer', response.status, message, {});
}

/**
 * JSON of an answer from `url`; `undefined` where it has no body.
 *
 * @throws {DroverProblem} `unexpected-answer` if it is no JSON, or a bare value
 */
export async function readJson(response: Response, url: string): Promise<unknown> {
  const text = await readText(response, url);
  if (text === '') return undefined;
  const unexpected = (what: string) =>
    new DroverProblem('unexpected-answer', response.status, `${url} answered with something that is ${what}`, {});
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw unexpected('not JSON');
  }
  if (typeof value === 'object' && value !== null) return value;
  throw unexpected('no object of JSON, as every answer of a coordinator is');
}

async function refusal(response: Response, url: string): Promise<Error> {
  const { status, statusText, headers } = response;
  const text = await readText(response, url, longestProblem).catch(() => '');
  let problem: { code?: unknown; detail?: unknown; title?: unknown };
  try {
    problem = JSON.parse(text) ?? {};
  } catch {
    problem = {};
  }
  const seconds = Number(headers.get('retry-after') ?? Number.NaN);
  const retryAfter = Number.isFinite(seconds) && seconds >= 0 ? Math.min(seconds * 1000, longestRetryAfter) : undefined;
  const { code, detail, title } = problem;
  if (typeof code === 'string')
    return new DroverProblem(code, status, String(detail ?? title ?? statusText), problem, retryAfter);
  // Not from Drover: a proxy, or another server.
  const answer = `${url} answered ${status} ${statusText}${redirectOf(response)}`;
  return new DroverProblem('unexpected-answer', status, answer, { server: headers.get('server') }, retryAfter);
}

function redirectOf({ type, status, headers }: Response): string {
  // A browser tells no more of it.
  if (type !== 'opaqueredirect' && (status < 300 || status >= 400)) return '';
  const to = headers.get('location');
  return `, a redirect${to === null ? '' : ` to ${to.slice(0, 500)}`}, which is not followed`;
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return cause instanceof Error ? cause.message : String(cause);
}

function queryText(query: Query = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined) continue;
    for (const each of Array.isArray(value) ? value : [value]) parameters.append(name, String(each));
  }
  const text = parameters.toString();
  return text === '' ? '' : `?${text}`;
}
