import { createZstdCompress } from 'node:zlib';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { baseName } from '../../../../domain/event.ts';
import { guixStoreDir } from '../../../../domain/guix/store-dir.ts';
import { throughStream } from '../../../nar/codec.ts';
import { compressAs } from '../../../nar/compress.ts';
import type { HttpContext } from '../../context.ts';
import { nothing } from '../../schemas/requests.ts';
import { type CachePlugin, type CacheRoot, isAt } from '../cache-roots.ts';
import type { AnswerAnew } from '../compressed-anew.ts';
import { notHere } from '../not-here.ts';
import type { AnswerFile } from '../pool-file.ts';

type Bytes = AsyncIterable<Uint8Array>;

/** What `guix publish` has, by its names. What the pool does not have so is made as it is sent. */
const compressions: Readonly<Record<string, (nar: Bytes) => Bytes | undefined>> = {
  none: (nar) => nar,
  gzip: (nar) => compressAs('', nar),
  lzip: (nar) => compressAs('lzip', nar),
  zstd: (nar) => throughStream('zstd', createZstdCompress(), nar),
};

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
  const { application, cache, itemOf } = context;
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
      const make = Object.hasOwn(compressions, compression) ? compressions[compression] : undefined;
      if (item === undefined || make === undefined || !isAt(root, application.storeDir, item)) return notHere(reply);
      const { file, narSize } = item;
      if (compression === file.compression)
        return (await answerFile(request, reply, file, headers)) ? reply : notHere(reply);
      reply.headers({ ...headers, ...(compression === 'none' && { 'content-length': narSize }) });
      return answerAnew(request.method, file, make, reply);
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
