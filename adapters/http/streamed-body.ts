import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { DroverError } from '../../coordinator/errors.ts';
import { zstdWindowLogMax } from '../../domain/limits.ts';
import { CodecError } from '../nar/codec.ts';
import { unzstd } from '../nar/zstd-frames.ts';

/** How much of a body that is refused is still read, so that its sender gets to see the answer. */
const mostDrained = 64 * 1024 * 1024;

/**
 * Lets routes read bodies of `types`, and of no other, themselves as they come. Encapsulated: register inside the plugin
 * of those routes. When the server starts to close, what has come so far is all that comes: senders resume or resend.
 */
export function acceptStreams(app: FastifyInstance, closing: AbortSignal, ...types: readonly string[]): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser([...types], (_request, payload, done) => done(null, payload));
  app.addHook('preHandler', async ({ raw }, reply) => {
    const cut = () => void raw.destroy();
    closing.addEventListener('abort', cut, { once: true });
    reply.raw.once('close', () => closing.removeEventListener('abort', cut));
  });
  // A refusal before the body was read to its end: without this the connection would be read for ever, or cut before the
  // sender has read why.
  app.addHook('onError', async (request) => drain(request.raw));
}

/** A body sent with a Content-Encoding is refused, except by routes that read it as a stream. */
export function refuseEncodedBodies(app: FastifyInstance): void {
  app.addHook('onRequest', (request, _reply, done) => {
    const encoding = request.headers['content-encoding'];
    if (encoding === undefined || request.routeOptions.config.streamed === true) return done();
    done(
      new DroverError(
        'unsupported-media-type',
        `expected a body without Content-Encoding, got ${encoding.slice(0, 40)}`,
      ),
    );
  });
}

/**
 * The bytes of a streamed body, its Content-Encoding undone. Ending the iteration early does not close the connection.
 *
 * @param encodings those that the route takes.
 * @param most bytes that may come, before they are decoded: there are encodings of nothing that never end.
 */
export function bodyOf(
  request: FastifyRequest,
  encodings: readonly ('zstd' | 'gzip')[] = [],
  most: number = Number.POSITIVE_INFINITY,
): AsyncIterable<Uint8Array> {
  const body = request.body as Readable | undefined;
  if (body === undefined || body === null) return noBytes();
  const encoding = request.headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
  if (encoding === 'identity') return body.iterator({ destroyOnReturn: false });
  if (!(encodings as readonly string[]).includes(encoding)) {
    const expected = ['none', ...encodings].join(', ');
    throw new DroverError(
      'unsupported-media-type',
      `Content-Encoding: expected ${expected}, got ${encoding.slice(0, 40)}`,
    );
  }
  return encoding === 'zstd' ? unzstdBody(body, most) : gunzipBody(body, most);
}

/** The bytes of a streamed body as they come, whatever its Content-Encoding: where nobody looks at them. */
export async function passOver(request: FastifyRequest, most: number): Promise<void> {
  for await (const _ of within(request.body as Readable | undefined, most, false));
}

async function* within(body: Readable | undefined | null, most: number, isSetting = true): AsyncGenerator<Uint8Array> {
  let left = most;
  for await (const chunk of body?.iterator({ destroyOnReturn: false }) ?? []) {
    left -= chunk.length;
    if (left < 0) throw bodyTooLarge(most, isSetting);
    yield chunk;
  }
}

async function* unzstdBody(body: Readable, most: number): AsyncGenerator<Uint8Array> {
  try {
    yield* unzstd(within(body, most), { what: 'a body', windowLogMax: zstdWindowLogMax });
  } catch (error) {
    throw error instanceof CodecError ? new DroverError('invalid-request', error.message) : error;
  }
}

async function* gunzipBody(body: Readable, most: number): AsyncGenerator<Uint8Array> {
  const decoder = createGunzip();
  // The error of either end comes out of the iteration below; `body` itself is left open for the answer.
  let cut: unknown;
  const cutBy = (error: Error): void => {
    cut ??= error;
    decoder.destroy(error);
  };
  body.on('error', cutBy);
  body.on('aborted', () => cutBy(new Error('aborted')));
  let left = most;
  body.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) cutBy(bodyTooLarge(most));
  });
  body.pipe(decoder);
  try {
    yield* decoder;
  } catch (error) {
    // Not whether the body is destroyed: one that has been read to its end is, too.
    if (cut !== undefined) throw cut;
    throw new DroverError('invalid-request', `expected a body in gzip: ${error instanceof Error ? error.message : ''}`);
  } finally {
    body.unpipe(decoder);
    decoder.destroy();
  }
}

/** A body, as it comes or decoded, is over the limit for bodies; `isSetting`: that of the configuration, not the route's own. */
export function bodyTooLarge(most: number, isSetting = true): DroverError {
  const setting = isSetting ? ' (setting limits.max-body-bytes)' : '';
  return new DroverError('body-too-large', `expected a body of at most ${most} bytes${setting}, got more`);
}

async function* noBytes(): AsyncGenerator<Uint8Array> {}

function drain(request: IncomingMessage): void {
  if (request.readableEnded || request.destroyed) return;
  let left = mostDrained;
  request.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) request.destroy();
  });
  request.resume();
}
