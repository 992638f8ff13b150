import type { IncomingMessage } from 'node:http';
import type { HookOutcome } from '../../coordinator/ports/hook-transport.ts';
import { http, https } from '../runtime/node-http.ts';
import { addressProblem, explain, reachOf } from './reach.ts';
import type { Resolve } from './resolve.ts';

/** What is read of an answer: the beginning of an error. More is not wanted, and not waited for. */
const answerBytes = 4096;

export interface Post {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly allowPrivate: boolean | undefined;
  readonly resolve: Resolve;
}

/**
 * Posts a text. 2xx is success. Redirects are not followed, and only public addresses are called unless it says otherwise. Rejects where
 * nobody answers.
 */
export function post(
  { url, headers, body, allowPrivate, resolve: look }: Post,
  signal: AbortSignal,
): Promise<HookOutcome> {
  const problem = addressProblem(url, allowPrivate);
  if (problem !== undefined) return Promise.reject(new Error(problem));
  const reach = reachOf(allowPrivate, look, signal);
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? https : http).request(url, {
      method: 'POST',
      // No connection is kept: the next one is looked at again.
      agent: false,
      lookup: reach.lookup,
      signal,
      headers: { 'content-length': Buffer.byteLength(body), ...headers },
    });
    request.on('error', (error) => reject(explain(error)));
    request.on('socket', (socket) =>
      socket.on('connect', () => {
        const refused = reach.problemOf(socket);
        if (refused !== undefined) request.destroy(new Error(refused));
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
