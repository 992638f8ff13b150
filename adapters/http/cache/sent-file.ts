import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { DroverError } from '../../../coordinator/errors.ts';
import type { StoreItem } from '../../../domain/item/events.ts';
import { compressAs } from '../../nar/compress.ts';
import { decompress } from '../../nar/decompress.ts';
import type { HttpContext } from '../context.ts';
import { parseStagedName } from './nar-url.ts';
import { notHere } from './not-here.ts';

/** Compressions for readers at a time. */
const mostAtOnce = 8;

/** The file of the item that was pushed as the NAR of this name, which has been compressed anew since. */
export function sentFile({ views }: Pick<HttpContext, 'views'>, name: string): StoreItem['file'] | undefined {
  const [path] = parseStagedName(name) ? views.itemsAt(`nar/${name}`) : [];
  return path === undefined ? undefined : views.item(path.slice(0, 32))?.file;
}

/**
 * Answers for names under which NARs were pushed. Whoever pushed one keeps its narinfo, as it was then, for weeks, and some versions of Nix read
 * nothing but the compression that it says: so the NAR is compressed for them once more. The bytes are others than those that were sent.
 */
export function createSentFiles(
  context: Pick<HttpContext, 'views' | 'pool'>,
): (method: string, name: string, reply: FastifyReply) => Promise<FastifyReply> {
  let running = 0;
  return async (method, name, reply) => {
    const place = sentFile(context, name);
    const file = place && (await context.pool.open(place));
    if (place === undefined || file === undefined) return notHere(reply);
    reply.headers({ 'content-type': 'application/x-nix-nar', 'cache-control': 'no-store' });
    if (method === 'HEAD') return reply.send();
    if (running >= mostAtOnce)
      throw new DroverError('too-many-requests', `expected at most ${mostAtOnce} NARs to be compressed at a time`);
    const ending = /\.nar\.([a-z0-9]+)$/.exec(name)?.[1] ?? '';
    const bytes = file.read(0, file.size) as AsyncIterable<Uint8Array>;
    const made = compressAs(ending, decompress(place.compression, bytes));
    if (made === undefined) return notHere(reply);
    running++;
    const body = Readable.from(made, { objectMode: false });
    body.once('close', () => running--);
    return reply.send(body);
  };
}
