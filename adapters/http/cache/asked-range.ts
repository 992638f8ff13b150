import type { FastifyReply, FastifyRequest } from 'fastify';
import { type ByteRange, byteRange } from './byte-range.ts';
import { matchesEtag } from './etag.ts';

/** Bytes that do not change under their etag. */
export interface Ranged {
  /** With its quotes. */
  readonly etag: string;
  /** Bytes. */
  readonly size: number;
  /** Milliseconds since the Unix epoch. */
  readonly modified?: number;
  readonly headers: { readonly 'content-type': string; readonly 'cache-control': string };
}

/** Headers of an answer with bytes that are not for one without. */
export const rangedHeaders: readonly string[] = ['etag', 'accept-ranges', 'last-modified'];

/**
 * What is to be sent of some bytes, with the head of the answer set for it; `undefined` where there is nothing to send and all has been said: the
 * reader has them, or there is no such range.
 */
export function askedRange(
  { method, headers }: FastifyRequest,
  reply: FastifyReply,
  { etag, size, modified, headers: { 'content-type': type, 'cache-control': cacheControl } }: Ranged,
): ByteRange | undefined {
  reply.headers({ etag, 'cache-control': cacheControl, 'accept-ranges': 'bytes' });
  if (modified !== undefined) reply.header('last-modified', new Date(modified).toUTCString());
  if (matchesEtag(headers['if-none-match'], etag)) {
    void reply.code(304).send();
    return undefined;
  }
  // A range of another version than the reader has the start of would be of no use: then the whole is sent.
  const wanted = headers['if-range'] === undefined || headers['if-range'] === etag ? headers.range : undefined;
  const range = method === 'GET' ? byteRange(wanted, size) : undefined;
  if (range === 'unsatisfiable') {
    void reply.code(416).header('content-range', `bytes */${size}`).type('text/plain').send('no such range\n');
    return undefined;
  }
  const asked = range ?? { start: 0, end: size };
  if (range !== undefined) reply.code(206).header('content-range', `bytes ${asked.start}-${asked.end - 1}/${size}`);
  reply.headers({ 'content-type': type, 'content-length': asked.end - asked.start });
  return asked;
}
