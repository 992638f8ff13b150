import { CliError } from '../output/cli-error.ts';
import { printable } from '../output/text.ts';

export type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

export interface RequestOptions {
  readonly query?: Query;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string | ReadableStream<Uint8Array>;
  readonly signal?: AbortSignal;
}

/** A coordinator, over HTTP. Every refusal is thrown as a {@link CliError} with the code of its problem. */
export interface Client {
  readonly url: string;
  /** The answer as it comes, once its status is good. */
  request(method: string, path: string, options?: RequestOptions): Promise<Response>;
  get<Result>(path: string, query?: Query): Promise<Result>;
  /** Sends JSON and reads JSON; `undefined` where the answer has no body. */
  send<Result>(
    method: 'POST' | 'PATCH' | 'DELETE',
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Result>;
}

export interface ClientOptions {
  readonly url: string;
  readonly token?: string | undefined;
  /** Ends every request when it aborts. */
  readonly signal?: AbortSignal | undefined;
}

export function createClient({ url, token, signal: always }: ClientOptions): Client {
  const base = url.endsWith('/') ? url.slice(0, -1) : url;
  return { url: base, request, get, send };

  async function request(
    method: string,
    path: string,
    { query, headers, body, signal }: RequestOptions = {},
  ): Promise<Response> {
    const signals = [signal, always].filter((each) => each !== undefined);
    const response = await reach(`${base}${path}${queryText(query)}`, {
      method,
      headers: {
        'user-agent': 'drover-cli',
        accept: 'application/json',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...headers,
      },
      ...(body === undefined ? {} : { body }),
      // Needed for a streamed body: the answer is read after all of it was sent.
      ...(body instanceof ReadableStream ? { duplex: 'half' } : {}),
      ...(signals.length === 0 ? {} : { signal: AbortSignal.any(signals) }),
    } as RequestInit);
    if (!response.ok) throw await problem(response, base);
    return response;
  }

  async function get<Result>(path: string, query?: Query): Promise<Result> {
    return (await readJson(await request('GET', path, query === undefined ? {} : { query }), base)) as Result;
  }

  async function send<Result>(
    method: 'POST' | 'PATCH' | 'DELETE',
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Result> {
    const response = await request(method, path, {
      headers: body === undefined ? headers : { 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return (await readJson(response, base)) as Result;
  }

  async function reach(address: string, init: RequestInit): Promise<Response> {
    try {
      return await fetch(address, init);
    } catch (error) {
      if (init.signal?.aborted) throw error;
      throw unreachable(base, error);
    }
  }
}

/** What to say of a connection that could not be made or broke. */
function unreachable(url: string, error: unknown): CliError {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const code = (cause as { code?: string }).code;
  const options = { cause: error };
  if (code === 'ECONNREFUSED') {
    return new CliError('connection-refused', `no coordinator answers at ${url}: the connection was refused`, {
      ...options,
      hint: 'is it running (drover coordinator), and is the address right (--url or DROVER_URL)?',
    });
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return new CliError('host-unknown', `no coordinator at ${url}: the host name is not known`, {
      ...options,
      hint: 'check --url or DROVER_URL',
    });
  }
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new CliError('connection-failed', `the connection to the coordinator at ${url} failed: ${reason}`, options);
}

const hints: Readonly<Record<string, string>> = {
  'token-missing':
    'give one with --token-file or DROVER_TOKEN_FILE; the first start of the coordinator made DATA/admin.token',
  'token-unknown': 'drover tokens list says which there are; drover tokens create makes one',
  'scope-insufficient': 'use a token of a wider scope: read < submit < admin',
  'not-ready': 'it is starting or stopping; try again in a moment',
  'build-ended': 'drover builds retry builds again what failed or was cancelled, drover submit --force what succeeded',
  'input-missing': 'submit from where the whole closure of derivations is, see --derivations and --store-root',
};

async function problem(response: Response, url: string): Promise<CliError> {
  const text = await response.text().catch(() => '');
  let body: { code?: unknown; detail?: unknown; title?: unknown } = {};
  try {
    body = JSON.parse(text) as typeof body;
  } catch {
    // Not from Drover: a proxy, or another server.
    if (response.status === 413) {
      const server = response.headers.get('server');
      return new CliError(
        'proxy-limit',
        `a proxy before ${url} takes no request of this size: 413${server === null ? '' : ` from ${printable(server)}`}`,
        { hint: 'raise its limit for bodies (client_max_body_size, for nginx)' },
      );
    }
    return new CliError('unexpected-answer', `${url} answered ${response.status} ${response.statusText}`, {
      hint: 'is that the address of a Drover coordinator?',
    });
  }
  const code = typeof body.code === 'string' ? body.code : 'unexpected-answer';
  const detail =
    typeof body.detail === 'string' ? body.detail : typeof body.title === 'string' ? body.title : response.statusText;
  return new CliError(code, printable(detail), { hint: hints[code] });
}

async function readJson(response: Response, url: string): Promise<unknown> {
  const text = await response.text().catch((error: unknown) => {
    throw unreachable(url, error);
  });
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    throw new CliError('unexpected-answer', `${url} answered with something that is not JSON`, {
      hint: 'is that the address of a Drover coordinator?',
    });
  }
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
