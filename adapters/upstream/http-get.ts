import { lookup } from 'node:dns';
import type { IncomingMessage } from 'node:http';
import { isIP, type LookupFunction } from 'node:net';
import { UpstreamError } from '../../coordinator/ports/upstream.ts';
import { isPrivateAddress } from '../hooks/addresses.ts';
import { http, https } from '../runtime/node-http.ts';
import { version } from '../runtime/version.ts';
import { asUpstreamError } from './decompress.ts';

export interface HttpGetOptions {
  readonly url: string;
  /** Sent to the cache itself, and to no place that it sends on to. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Longest time without a byte, in milliseconds. */
  readonly timeoutMs: number;
  /** Connections at a time; they are kept. */
  readonly connections: number;
  /** Whether redirects and narinfos may lead to private addresses elsewhere. */
  readonly allowPrivate: boolean;
}

/** What a cache has over HTTP, asked for over connections that are kept. Nothing that it answers is waited for, or read, without an end. */
export interface HttpGet extends Disposable {
  readonly base: URL;
  /**
   * The answer with status 200, which must be read or destroyed, and ends with an error where it never gets on; `undefined` for 404 and the like.
   *
   * @param path relative to the cache, or another address.
   * @param more further headers.
   */
  get(path: string, signal: AbortSignal, more?: Headers): Promise<IncomingMessage | undefined>;
  /** The same as a text of at most `limit` bytes, which has to be there as soon as a first byte. */
  text(path: string, limit: number, signal: AbortSignal, more?: Headers): Promise<string | undefined>;
}

type Headers = Readonly<Record<string, string>>;

const mostRedirects = 5;
const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** Of answers that nobody wants, so much is read: connections are kept for it. */
const mostDiscarded = 64 * 1024;
/** What has to come while the longest time without a byte passes; one that gives less, so many times in a row, is given up … */
const leastBytes = 16 * 1024;
const patience = 5;
/** … and so is what takes a day. */
const mostWaitMs = 24 * 60 * 60 * 1000;

export function openHttpGet(options: HttpGetOptions): HttpGet {
  const { headers = {}, timeoutMs, connections, allowPrivate } = options;
  const base = new URL(options.url.endsWith('/') ? options.url : `${options.url}/`);
  const kept = { keepAlive: true, maxSockets: connections, timeout: 60_000 };
  // Read once: there are tens of thousands of requests.
  const userAgent = `drover/${version()}`;
  const agents = { 'http:': new http.Agent(kept), 'https:': new https.Agent(kept) } as const;
  const seconds = timeoutMs / 1000;

  function once(url: URL, signal: AbortSignal, more: Headers): Promise<IncomingMessage> {
    const isOwn = url.origin === base.origin;
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
    const isRefused = !isOwn && !allowPrivate;
    if (isRefused && isIP(host) !== 0 && isPrivateAddress(host)) throw new UpstreamError(privateProblem(host));
    return new Promise((resolve, reject) => {
      const request = (url.protocol === 'https:' ? https : http).request(url, {
        method: 'GET',
        headers: { 'user-agent': userAgent, accept: '*/*', ...more, ...(isOwn && headers) },
        // An address that is refused is so before a connection to it is made or kept.
        ...(isRefused ? { lookup: publicLookup } : { agent: agents[url.protocol as 'http:'] }),
        timeout: timeoutMs,
        signal,
      });
      let answer: IncomingMessage | undefined;
      let late: NodeJS.Timeout | undefined;
      request.on('socket', () => {
        // Bytes that are no answer yet, as of answers to come, put off the other one for ever.
        late = setTimeout(
          () => request.destroy(new UpstreamError(`${url.href}: no answer for ${seconds} s`)),
          timeoutMs,
        );
      });
      request.on('timeout', () => {
        // What has come and was not read yet waits for its reader, who may take his time.
        if (answer !== undefined && !answer.readableEnded && (answer.complete || answer.readableLength > 0))
          return void request.setTimeout(timeoutMs);
        (answer ?? request).destroy(new UpstreamError(`${url.href}: no byte came for ${seconds} s`, { isCut: true }));
      });
      request.on('close', () => clearTimeout(late));
      request.on('error', (error) => reject(signal.aborted ? signal.reason : asUpstreamError(error, url.href)));
      request.on('response', (response) => {
        clearTimeout(late);
        answer = response;
        resolve(response);
      });
      request.end();
    });
  }

  /** Keeps the connection of an answer that is as short as such answers are, and ends that of any other. */
  function discard(response: IncomingMessage): void {
    let left = mostDiscarded;
    const late = setTimeout(() => response.destroy(), timeoutMs);
    response.once('close', () => clearTimeout(late));
    response.on('data', (chunk: Buffer) => {
      left -= chunk.length;
      if (left < 0) response.destroy();
    });
  }

  /** Ends an answer that comes so slowly that it never ends, although its reader waits for it. */
  function watch(response: IncomingMessage, href: string): void {
    const { socket } = response;
    let before = socket.bytesRead;
    let slow = 0;
    let waitedMs = 0;
    const ticks = setInterval(() => {
      const got = socket.bytesRead - before;
      before = socket.bytesRead;
      // What was not read yet: it is its reader who is slow.
      const isWaitedFor = !response.complete && response.readableLength === 0;
      if (isWaitedFor) waitedMs += timeoutMs;
      slow = isWaitedFor && got < leastBytes ? slow + 1 : 0;
      if (slow === patience || waitedMs > mostWaitMs)
        response.destroy(
          new UpstreamError(
            slow === patience
              ? `${href}: expected ${leastBytes} bytes in ${seconds} s, got less ${patience} times in a row`
              : `${href}: expected all of it within a day`,
          ),
        );
    }, timeoutMs);
    response.once('close', () => clearInterval(ticks));
  }

  async function find(path: string, signal: AbortSignal, more: Headers): Promise<IncomingMessage | undefined> {
    let url = URL.parse(path, base.href);
    for (let hops = 0; ; hops++) {
      if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:'))
        throw new UpstreamError(`expected an http or https URL, got ${path.slice(0, 200)}`);
      const response = await once(url, signal, more);
      const status = response.statusCode ?? 0;
      if (status === 200) return response;
      discard(response);
      // What S3 says of what is not there, where one may not list what is, is 403.
      if (status === 404 || status === 410 || status === 403) return undefined;
      if (!redirects.has(status)) throw new UpstreamError(`${url.href}: HTTP ${status}`);
      if (hops === mostRedirects) throw new UpstreamError(`${base.href}${path}: more than ${mostRedirects} redirects`);
      url = URL.parse(response.headers.location ?? '', url.href);
    }
  }

  async function small(path: string, limit: number, signal: AbortSignal, more: Headers): Promise<string | undefined> {
    const response = await find(path, signal, more);
    if (response === undefined) return undefined;
    const chunks: Buffer[] = [];
    let size = 0;
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        size += chunk.length;
        if (size > limit) throw new UpstreamError(`${base.href}${path}: expected at most ${limit} bytes, got more`);
        chunks.push(chunk);
      }
    } catch (error) {
      throw signal.aborted ? signal.reason : asUpstreamError(error, base.href + path);
    }
    return Buffer.concat(chunks).toString();
  }

  return {
    base,
    async get(path, signal, more = {}) {
      const response = await find(path, signal, more);
      if (response !== undefined) watch(response, URL.parse(path, base.href)?.href ?? path);
      return response;
    },
    async text(path, limit, wanted, more = {}) {
      // Of small answers all is waited for, not each byte.
      const late = new AbortController();
      // Not AbortSignal.timeout, which goes off after the answer as well.
      const timer = setTimeout(() => late.abort(), timeoutMs);
      const signal = AbortSignal.any([wanted, late.signal]);
      try {
        return await small(path, limit, signal, more);
      } catch (error) {
        if (!late.signal.aborted || wanted.aborted) throw error;
        throw new UpstreamError(`${base.href}${path}: no answer for ${seconds} s`);
      } finally {
        clearTimeout(timer);
      }
    },
    [Symbol.dispose]() {
      for (const agent of Object.values(agents)) agent.destroy();
    },
  };
}

/** Only public addresses: what a name stands for is looked at when the connection is made, so that it cannot be another by then. */
const publicLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) return callback(error, '', 0);
    const allowed = addresses.filter(({ address }) => !isPrivateAddress(address));
    const [first] = allowed;
    if (first === undefined) return callback(new UpstreamError(privateProblem(hostname)), '', 0);
    if (options.all === true) return (callback as (error: null, all: typeof allowed) => void)(null, allowed);
    callback(null, first.address, first.family);
  });
};

function privateProblem(host: string): string {
  return `expected a public address, got ${host}: the upstream may not send on to private ones (allow-private)`;
}
