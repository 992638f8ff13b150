import type { FastifyReply } from 'fastify';
import type { StoreItem } from '../../../domain/item/events.ts';
import { compressAs } from '../../nar/compress.ts';
import type { HttpContext } from '../context.ts';
import type { AnswerAnew } from './compressed-anew.ts';
import { parseStagedName } from './nar-url.ts';
import { notHere } from './not-here.ts';

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
  context: Pick<HttpContext, 'views'>,
  answerAnew: AnswerAnew,
): (method: string, name: string, reply: FastifyReply) => Promise<FastifyReply> {
  return async (method, name, reply) => {
    const place = sentFile(context, name);
    if (place === undefined) return notHere(reply);
    reply.headers({ 'content-type': 'application/x-nix-nar', 'cache-control': 'no-store' });
    const ending = /\.nar\.([a-z0-9]+)$/.exec(name)?.[1] ?? '';
    return answerAnew(method, place, (nar) => compressAs(ending, nar), reply);
  };
}
