import { lookup } from 'node:dns';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import type { HookOutcome } from '../../coordinator/ports/hook-transport.ts';
import { isPrivateAddress } from './addresses.ts';
import { type DeliveryTo, eventText, type HookKind } from './kind.ts';
import { readSecrets, signatureOf } from './webhook-signature.ts';

/** What is read of an answer: the beginning of an error. More is not wanted, and not waited for. */
const answerBytes = 4096;

/**
 * Posts events by the Standard Webhooks specification: `webhook-id` is the event's id and the same each time, so that a receiver can tell
 * a repeat. 2xx is success. Redirects are not followed, and only public addresses are called unless the hook says otherwise: what a name
 * stands for is looked at when the connection is made, so that it cannot be another by then.
 */
export function createWebhookTransport({ version }: { readonly version: string }): HookKind<'webhook'> {
  return {
    async check({ url, secretFile, allowPrivate }) {
      const host = hostOf(new URL(url));
      if (allowPrivate !== true && isIP(host) !== 0 && isPrivateAddress(host)) return privateProblem(host);
      if (secretFile === undefined) return undefined;
      return readSecrets(secretFile).then(
        () => undefined,
        (error: Error) => error.message,
      );
    },
    async deliver(delivery, signal) {
      try {
        return await post(delivery, signal, version);
      } catch (error) {
        return { ok: false, error: (error as Error).message };
      }
    },
  };
}

async function post(delivery: DeliveryTo<'webhook'>, signal: AbortSignal, version: string): Promise<HookOutcome> {
  const { target, event } = delivery;
  const url = new URL(target.url);
  const host = hostOf(url);
  const isRefused = (address: string): boolean => target.allowPrivate !== true && isPrivateAddress(address);
  if (isIP(host) !== 0 && isRefused(host)) throw new Error(privateProblem(host));
  const id = `${event.stream}@${event.revision}`;
  const timestamp = Math.floor(Date.now() / 1000);
  const body = eventText(delivery);
  const keys = target.secretFile === undefined ? [] : await readSecrets(target.secretFile);

  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
      method: 'POST',
      // No connection is kept: the next one is looked at again.
      agent: false,
      lookup: publicLookup(isRefused),
      signal,
      headers: {
        'content-type': 'application/cloudevents+json; charset=utf-8',
        'content-length': Buffer.byteLength(body),
        'user-agent': `drover/${version}`,
        'webhook-id': id,
        'webhook-timestamp': String(timestamp),
        ...(keys.length > 0 && { 'webhook-signature': signatureOf(keys, id, timestamp, body) }),
      },
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

function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1');
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
