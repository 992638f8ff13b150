import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ItemRow } from '../../../coordinator/ports/views.ts';
import { compressorFor } from '../../nar/compress.ts';
import type { HttpContext } from '../context.ts';
import type { AnswerAnew } from './compressed-anew.ts';
import { parseStagedName } from './nar-url.ts';
import { notHere } from './not-here.ts';

/** The item that was pushed as the NAR of this name, which has been compressed anew since. */
export function sentItem({ views }: Pick<HttpContext, 'views'>, name: string): ItemRow | undefined {
  const [path] = parseStagedName(name) ? views.itemsAt(`nar/${name}`) : [];
  return path === undefined ? undefined : views.item(path.slice(0, 32));
}

/**
 * Answers for names under which NARs were pushed. Whoever pushed one keeps its narinfo, as it was then, for weeks, and some versions of Nix read
 * nothing but the compression that it says: so the NAR is compressed for them once more. The bytes are others than those that were sent.
 */
export function createSentFiles(
  context: Pick<HttpContext, 'views'>,
  answerAnew: AnswerAnew,
): (request: FastifyRequest, name: string, reply: FastifyReply) => Promise<FastifyReply> {
  return async (request, name, reply) => {
    const item = sentItem(context, name);
    const ending = /\.nar\.([a-z0-9]+)$/.exec(name)?.[1] ?? '';
    const compress = compressorFor(ending);
    if (item === undefined || compress === undefined) return notHere(reply);
    const headers = { 'content-type': 'application/x-nix-nar', 'cache-control': 'no-store' };
    return answerAnew(request, reply, { item, form: `as .${ending}`, compress, headers });
  };
}
