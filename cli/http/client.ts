import { DroverProblem, DroverUnreachable, isPassing } from '../../client/errors.ts';
import {
  createHttp,
  type Http,
  type HttpOptions,
  type RequestOptions as PlainOptions,
  type Query,
  readJson,
} from '../../client/http.ts';
import { CliError } from '../output/cli-error.ts';
import { olderHint } from '../output/older.ts';
import { printable } from '../output/text.ts';
import { notADrover } from './not-drover.ts';
import { createSilence, heard, inPieces, SilenceError } from './silence.ts';
import { unreachable } from './unreachable.ts';

export interface RequestOptions extends PlainOptions {
  /**
   * Whether something moves all the time, so that a minute without a byte in either direction is a failed connection. Elsewhere an answer
   * may take five minutes to begin, and as long for each further byte.
   */
  readonly steady?: true;
}

export interface ClientOptions extends HttpOptions {
  /** How long a `steady` request, or a `get`, may be silent, in milliseconds. */
  readonly silenceMs?: number;
  /** Told whenever an answer was read. */
  readonly onAnswer?: ((url: string) => void) | undefined;
  /** Told of each answer that may lack what happened lately, as it says itself. */
  readonly onBehind?: (() => void) | undefined;
  /** Told of each answer that tells of what the log does not have, as it says itself: of how many commits. */
  readonly onAhead?: ((commits: number) => void) | undefined;
}

/** A coordinator, over HTTP. Every refusal is thrown as a {@link CliError} with the code of its problem. */
export interface Client {
  readonly url: string;
  /** The same, with the errors of `client/`. */
  readonly http: Http;
  /** The answer as it comes, once its status is good. */
  request(method: string, path: string, options?: RequestOptions): Promise<Response>;
  /** What an answer has as JSON; `undefined` where it has no body. */
  json<Result>(response: Response): Promise<Result>;
  /** {@link request} and {@link json} in one. */
  call<Result>(method: string, path: string, options?: RequestOptions): Promise<Result>;
  /** Gives up where nothing is heard for too long: a connection that is dead without a word would hold up a wait for minutes. */
  get<Result>(path: string, query?: Query): Promise<Result>;
  /** Sends JSON and reads JSON; `undefined` where the answer has no body. */
  send<Result>(
    method: 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Result>;
}

export function createClient({ silenceMs = 60_000, onAnswer, onBehind, onAhead, ...options }: ClientOptions): Client {
  const plain = createHttp(options);
  const http: Http = {
    url: plain.url,
    request: (method, path, { headers, ...others } = {}) =>
      plain.request(method, path, { ...others, headers: { 'user-agent': 'drover-cli', ...headers } }),
  };

  async function request(method: string, path: string, { steady, ...wish }: RequestOptions = {}): Promise<Response> {
    const asked = steady ? requestSteadily(method, path, wish) : http.request(method, path, wish);
    const answer = await asked.catch((error: unknown) => {
      throw toCliError(error, http.url);
    });
    if (answer.headers.has('drover-behind')) onBehind?.();
    const ahead = answer.headers.get('drover-ahead');
    if (ahead !== null) onAhead?.(Number(ahead));
    return answer;
  }

  async function requestSteadily(
    method: string,
    path: string,
    { body, headers, signal, ...wish }: PlainOptions,
  ): Promise<Response> {
    const silence = createSilence(silenceMs);
    const sent =
      body instanceof Uint8Array
        ? // A proxy is to hear of the size before it comes.
          { body: inPieces(body, silence.moved), headers: { ...headers, 'content-length': `${body.length}` } }
        : { ...(body !== undefined && { body }), ...(headers !== undefined && { headers }) };
    const ends = signal === undefined ? silence.signal : AbortSignal.any([signal, silence.signal]);
    return heard(await silence.during(http.request(method, path, { ...wish, ...sent, signal: ends })), silence);
  }

  async function json<Result>(response: Response): Promise<Result> {
    const answer = await readJson(response, http.url).catch((error: unknown) => {
      throw toCliError(error, http.url);
    });
    onAnswer?.(http.url);
    return answer as Result;
  }

  async function call<Result>(method: string, path: string, wish?: RequestOptions): Promise<Result> {
    return json<Result>(await request(method, path, wish));
  }

  return {
    url: http.url,
    http,
    request,
    json,
    call,
    get: async <Result>(path: string, query: Query = {}) => call<Result>('GET', path, { query, steady: true }),
    send: async <Result>(
      method: string,
      path: string,
      body?: unknown,
      headers: Readonly<Record<string, string>> = {},
    ) => {
      const wish =
        body === undefined
          ? { headers }
          : { headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) };
      return call<Result>(method, path, wish);
    },
  };
}

/** What to say to a person of an error of `client/`; any other stays as it is. */
export function toCliError(error: unknown, url: string): unknown {
  if (error instanceof DroverUnreachable) return unreachable(url, error.cause ?? error);
  if (error instanceof SilenceError) return unreachable(url, error);
  if (!(error instanceof DroverProblem)) return error;
  const { code, status, message, problem, retryAfter } = error;
  // A proxy that says 502 or 504 may have passed the request on.
  const untouched = status === 503 || status === 429;
  const mayPass = isPassing(error) ? { untouched, afterMs: retryAfter } : undefined;
  if (code !== 'unexpected-answer') {
    // A wrong value is wrong use, wherever it is found.
    const exitCode = code === 'invalid-request' ? 2 : 1;
    // Where in a request a field stands is no concern of who gave a flag or a name.
    const said = code === 'invalid-request' ? message.replace(/^(?:querystring|params|body)\./, '') : message;
    const hint =
      code === 'not-found' && /^expected a known route/.test(message) ? unknownRouteHint(message, url) : hints[code];
    return new CliError(printable(code), printable(said), { hint, exitCode, mayPass });
  }
  if (status === 413) {
    const server = typeof problem.server === 'string' ? ` from ${printable(problem.server)}` : '';
    return new CliError('proxy-limit', `a proxy before ${url} takes no request of this size: 413${server}`, {
      hint: 'raise its limit for bodies (client_max_body_size, for nginx)',
    });
  }
  const hint =
    status >= 300 && status < 400
      ? 'give the address that it leads to, if that is of your coordinator (--url, DROVER_URL or drover login)'
      : notADrover;
  return new CliError(code, printable(message), { hint, mayPass });
}

/** A path in the address that no proxy takes away comes back in what was not known. */
function unknownRouteHint(message: string, url: string): string {
  const { origin, pathname } = new URL(url);
  if (pathname === '/' || !message.includes(` ${pathname}/v1/`)) return olderHint;
  return `the address ${printable(url)} has a path that its coordinator does not know: it is ${origin}, or a proxy before it has to take ${pathname} away`;
}

const hints: Readonly<Record<string, string>> = {
  'token-missing':
    'drover login URL keeps one, --token-file or DROVER_TOKEN_FILE name one; the first start of the coordinator made DATA/admin.token',
  'token-unknown':
    'with a token of scope admin, drover tokens list says which there are, and drover tokens create makes one; where none is left, the section on revoking a token in docs/operating.md has the way back',
  'scope-insufficient': 'use a token of a wider scope: read < submit < admin, or push to put items into the pool',
  'not-ready': 'it starts, stops, or waits for its event store, its disk or its views; try again in a moment',
  'item-needed': 'drover items delete --force deletes it all the same; with --dry-run it says what is built again then',
  'build-ended': 'drover builds retry builds again what failed or was cancelled, drover submit --force what succeeded',
  'input-missing': 'submit from where the whole closure of derivations is, see --derivations and --store-root',
};
