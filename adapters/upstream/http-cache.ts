import { lookup } from 'node:dns';
import type { IncomingMessage } from 'node:http';
import { isIP, type LookupFunction } from 'node:net';
import { type UpstreamCache, UpstreamError } from '../../coordinator/ports/upstream.ts';
import { isPrivateAddress } from '../hooks/addresses.ts';
import { http, https } from '../runtime/node-http.ts';
import { version } from '../runtime/version.ts';
import { asUpstreamError, decompress } from './decompress.ts';
import { maxNarinfoBytes, narinfoOf } from './narinfo-text.ts';
import { viaHeader } from './via.ts';

export interface HttpCacheOptions {
  readonly url: string;
  /** What this coordinator calls itself to caches that are coordinators as well. */
  readonly id: string;
  /** Sent to the cache itself, and to no place that it sends on to. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Longest time without a byte, in milliseconds. */
  readonly timeoutMs: number;
  /** Connections at a time; they are kept. */
  readonly connections: number;
  /** Whether redirects and narinfos may lead to private addresses elsewhere. */
  readonly allowPrivate: boolean;
}

const mostRedirects = 5;
const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const maxInfoBytes = 64 * 1024;

/** A binary cache over HTTP, with connections that are kept. */
export function openHttpCache(options: HttpCacheOptions): UpstreamCache {
  const { headers = {}, id, timeoutMs, connections, allowPrivate } = options;
  const base = new URL(options.url.endsWith('/') ? options.url : `${options.url}/`);
  const kept = { keepAlive: true, maxSockets: connections, timeout: 60_000 };
  // Read once: there are tens of thousands of requests.
  const userAgent = `drover/${version()}`;
  const agents = { 'http:': new http.Agent(kept), 'https:': new https.Agent(kept) } as const;

  function once(url: URL, signal: AbortSignal, via: string | undefined): Promise<IncomingMessage> {
    const isOwn = url.origin === base.origin;
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
    const isRefused = !isOwn && !allowPrivate;
    if (isRefused && isIP(host) !== 0 && isPrivateAddress(host)) throw new UpstreamError(privateProblem(host));
    return new Promise((resolve, reject) => {
      const request = (url.protocol === 'https:' ? https : http).request(url, {
        method: 'GET',
        headers: {
          'user-agent': userAgent,
          accept: '*/*',
          [viaHeader]: via === undefined ? id : `${via} ${id}`,
          ...(isOwn && headers),
        },
        // An address that is refused is so before a connection to it is made or kept.
        ...(isRefused ? { lookup: publicLookup } : { agent: agents[url.protocol as 'http:'] }),
        timeout: timeoutMs,
        signal,
      });
      let answer: IncomingMessage | undefined;
      request.on('timeout', () => {
        // What has come and was not read yet waits for its reader, who may take his time.
        if (answer !== undefined && !answer.readableEnded && (answer.complete || answer.readableLength > 0))
          return void request.setTimeout(timeoutMs);
        (answer ?? request).destroy(new UpstreamError(`${url.href}: no byte came for ${timeoutMs / 1000} s`));
      });
      request.on('error', (error) => reject(signal.aborted ? signal.reason : asUpstreamError(error, url.href)));
      request.on('response', (response) => {
        answer = response;
        resolve(response);
      });
      request.end();
    });
  }

  /** The answer with status 200; `undefined` for 404 and the like. Its body must be read or destroyed. */
  async function get(path: string, signal: AbortSignal, via?: string): Promise<IncomingMessage | undefined> {
    let url = URL.parse(path, base.href);
    for (let hops = 0; ; hops++) {
      if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:'))
        throw new UpstreamError(`expected an http or https URL, got ${path.slice(0, 200)}`);
      const response = await once(url, signal, via);
      const status = response.statusCode ?? 0;
      if (status === 200) return response;
      response.resume();
      // What S3 says of what is not there, where one may not list what is, is 403.
      if (status === 404 || status === 410 || status === 403) return undefined;
      if (!redirects.has(status)) throw new UpstreamError(`${url.href}: HTTP ${status}`);
      if (hops === mostRedirects) throw new UpstreamError(`${base.href}${path}: more than ${mostRedirects} redirects`);
      url = URL.parse(response.headers.location ?? '', url.href);
    }
  }

  async function text(path: string, limit: number, wanted: AbortSignal, via?: string): Promise<string | undefined> {
    // Of small answers all is waited for, not each byte.
    const late = new AbortController();
    // Not AbortSignal.timeout, which goes off after the answer as well.
    const timer = setTimeout(() => late.abort(), timeoutMs);
    const signal = AbortSignal.any([wanted, late.signal]);
    try {
      return await small(path, limit, signal, via);
    } catch (error) {
      if (!late.signal.aborted || wanted.aborted) throw error;
      throw new UpstreamError(`${base.href}${path}: no answer for ${timeoutMs / 1000} s`);
    } finally {
      clearTimeout(timer);
    }
  }

  async function small(
    path: string,
    limit: number,
    signal: AbortSignal,
    via: string | undefined,
  ): Promise<string | undefined> {
    const response = await get(path, signal, via);
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
    info: (signal) => text('nix-cache-info', maxInfoBytes, signal),
    async narinfo(hashPart, signal, via) {
      const path = `${hashPart}.narinfo`;
      const found = await text(path, maxNarinfoBytes, signal, via);
      return found === undefined ? undefined : narinfoOf(found, `${base.href}${path}`);
    },
    async nar({ url, compression }, signal, via) {
      const response = await get(url, signal, via);
      return response && decompress(response, compression);
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
