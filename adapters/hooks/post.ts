import { lookup } from 'node:dns';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import type { HookOutcome } from '../../coordinator/ports/hook-transport.ts';
import { isPrivateAddress } from './addresses.ts';

/** What is read of an answer: the beginning of an error. More is not wanted, and not waited for. */
const answerBytes = 4096;

export interface Post {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly allowPrivate: boolean | undefined;
}

/**
 * Posts a text. 2xx is success. Redirects are not followed, and only public addresses are called unless it says otherwise: what a name
 * stands for is looked at when the connection is made, so that it cannot be another by then. Rejects where nobody answers.
 */
export function post({ url, headers, body, allowPrivate }: Post, signal: AbortSignal): Promise<HookOutcome> {
  const problem = addressProblem(url, allowPrivate);
  if (problem !== undefined) return Promise.reject(new Error(problem));
  const isRefused = (address: string): boolean => allowPrivate !== true && isPrivateAddress(address);
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
      method: 'POST',
      // No connection is kept: the next one is looked at again.
      agent: false,
      lookup: publicLookup(isRefused),
      signal,
      headers: { 'content-length': Buffer.byteLength(body), ...headers },
    });
    request.on('error', (error) => reject(explain(error)));
    request.on('socket', (socket) =>
      socket.on('connect', () => {
        const { remoteAddress } = socket;
        if (remoteAddress === undefined || isRefused(remoteAddress))
          request.destroy(new Error(privateProblem(remoteAddress ?? 'nothing')));
      }),
    );
    request.on('response', (answer) => {
      // It has answered: whatever becomes of the connection now is no error.
      const status = answer.statusCode ?? 0;
      const text = isSuccess(status) ? Promise.resolve('') : beginningOf(answer);
      void text.then((said) => {
        resolve(outcomeOf(status, said));
        request.destroy();
      });
    });
    request.end(body);
  });
}

/** Why the URL cannot be called, where that is known without asking anybody. */
export function addressProblem({ hostname }: URL, allowPrivate: boolean | undefined): string | undefined {
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  return allowPrivate !== true && isIP(host) !== 0 && isPrivateAddress(host) ? privateProblem(host) : undefined;
}

/** Looks a name up and gives what may be called of what it stands for. */
function publicLookup(isRefused: (address: string) => boolean): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error) return callback(error, '', 0);
      const allowed = found.filter(({ address }) => !isRefused(address));
      const [first] = allowed;
      if (first === undefined) return callback(new Error(privateProblem(`${hostname}, ${found[0]?.address}`)), '', 0);
      if (options.all === true) return (callback as (error: null, all: typeof allowed) => void)(null, allowed);
      callback(null, first.address, first.family);
    });
  };
}

function privateProblem(host: string): string {
  return `expected a public address, got ${host}: the hook does not allow private ones (allow-private)`;
}

/** The beginning of the body, in one line, as long as it comes. */
async function beginningOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= answerBytes) break;
    }
  } catch {
    // The status is what counts.
  }
  return Buffer.concat(chunks).subarray(0, answerBytes).toString().replace(/\s+/g, ' ').trim();
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

function outcomeOf(status: number, text: string): HookOutcome {
  if (isSuccess(status)) return { ok: true };
  const more = status >= 300 && status < 400 ? ', a redirect, which is not followed' : text === '' ? '' : `: ${text}`;
  return { ok: false, error: `it answered ${status}${more}` };
}

/** Where several addresses were tried, what became of each. */
function explain(error: Error): Error {
  if (!(error instanceof AggregateError)) return error;
  return new Error(error.errors.map(({ message }: Error) => message).join('; ') || error.message);
}
