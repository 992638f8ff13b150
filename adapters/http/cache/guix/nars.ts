import type { FastifyReply, FastifyRequest } from 'fastify';
import * as z from 'zod';
import { baseName } from '../../../../domain/event.ts';
import { guixStoreDir } from '../../../../domain/guix/store-dir.ts';
import { type GuixCompression, guixPublishCompressions } from '../../../../domain/hook/compressions.ts';
import { compressForGuix } from '../../../nar/compress.ts';
import type { HttpContext } from '../../context.ts';
import { nothing } from '../../schemas/requests.ts';
import { type CachePlugin, type CacheRoot, isAt } from '../cache-roots.ts';
import type { AnswerAnew } from '../compressed-anew.ts';
import { notHere } from '../not-here.ts';
import type { AnswerFile } from '../pool-file.ts';

/** NARs by the names of their items, as Guix asks for them. */
export interface GuixNars {
  /** Whether a NAR of this root may be asked for by such a name. */
  isNamedSo({ storeDir }: CacheRoot, name: string): boolean;
  answer(
    request: FastifyRequest,
    reply: FastifyReply,
    root: CacheRoot,
    name: string,
    compression: string,
  ): Promise<FastifyReply>;
}

export function createGuixNars(context: HttpContext, answerFile: AnswerFile, answerAnew: AnswerAnew): GuixNars {
  const { application, cache, itemOf, guix } = context;
  /** What `guix publish` has, by its names, whatever narinfos offer: clients may have those of other settings. */
  const known = new Map<string, GuixCompression>(guixPublishCompressions.map((method) => [method, { method }]));
  for (const compression of guix?.compressions ?? []) known.set(compression.method, compression);
  const headers = {
    'content-type': 'application/octet-stream',
    // An item that was deleted may come again with other bytes.
    'cache-control': `${cache.public ? 'public' : 'private'}, max-age=${cache.ttlSeconds}`,
  };
  return {
    isNamedSo: ({ storeDir }, name) => storeDir === guixStoreDir && baseName.safeParse(name).success,
    async answer(request, reply, root, name, compression) {
      // Also of one that is unpublished: clients have its narinfo.
      const item = itemOf(name);
      const wanted = known.get(compression);
      if (item === undefined || wanted === undefined || !isAt(root, application.storeDir, item)) return notHere(reply);
      const { file } = item;
      if (wanted.method === file.compression)
        return (await answerFile(request, reply, file, headers)) ? reply : notHere(reply);
      const { method, level = '' } = wanted;
      const compress = (nar: AsyncIterable<Uint8Array>) => compressForGuix(wanted, nar);
      return answerAnew(request, reply, { item, form: `${method}${level}`, compress, headers });
    },
  };
}

/** `/nar/<compression>/<base name>`. */
export function guixNarRoute(nars: GuixNars): CachePlugin {
  return (root) => async (app) => {
    if (root.storeDir !== guixStoreDir) return;
    app.route({
      method: ['GET', 'HEAD'],
      url: '/nar/:compression/:name',
      config: { access: 'cache' },
      schema: {
        tags: ['cache'],
        operationId: 'getGuixNar',
        summary: 'The NAR of a store item, in this compression: zstd, gzip or lzip.',
        params: z.object({ compression: z.string(), name: z.string() }),
        response: {
          200: { description: 'The NAR.', content: { 'application/octet-stream': { schema: z.any() } } },
          304: nothing,
        },
      },
      handler: async (request, reply) => {
        const { compression, name } = request.params;
        if (!nars.isNamedSo(root, name)) return notHere(reply);
        return nars.answer(request, reply, root, name, compression);
      },
    });
  };
}
