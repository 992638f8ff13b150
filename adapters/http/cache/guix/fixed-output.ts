import * as z from 'zod';
import { guixStoreDir } from '../../../../domain/guix/store-dir.ts';
import { decodeNixBase32 } from '../../../../domain/store/nix-base32.ts';
import { isValidName, makeFixedOutputPath } from '../../../../domain/store/store-path.ts';
import { decompress } from '../../../nar/decompress.ts';
import { flatFile } from '../../../nar/flat-file.ts';
import type { HttpContext } from '../../context.ts';
import { type CachePlugin, isAt } from '../cache-roots.ts';
import { matchesEtag } from '../etag.ts';
import type { LiveBody } from '../live-answers.ts';
import { notHere } from '../not-here.ts';

const year = 365 * 24 * 60 * 60;

/**
 * `/file/<name>/sha256/<hash in nix-base32>`: the one file that is the output of a fixed-output derivation, which Guix asks for where the
 * source itself is gone. The path follows from the name and the hash.
 */
export function fixedOutputRoute({ application, pool, cache }: HttpContext, liveBody: LiveBody): CachePlugin {
  const cacheControl = `${cache.public ? 'public' : 'private'}, max-age=${year}, immutable`;
  return (root) => async (app) => {
    if (root.storeDir !== guixStoreDir) return;
    app.route({
      method: ['GET', 'HEAD'],
      url: '/file/:name/sha256/:hash',
      config: { access: 'cache' },
      schema: {
        tags: ['cache'],
        operationId: 'getFixedOutput',
        summary: 'The file that has this hash and name, where it is in the pool.',
        params: z.object({ name: z.string(), hash: z.string() }),
        response: {
          200: { description: 'The file.', content: { 'application/octet-stream': { schema: z.any() } } },
          304: z.any().describe('Nothing.'),
        },
      },
      handler: async (request, reply) => {
        const { name, hash } = request.params;
        const hex = hexOf(hash);
        if (hex === undefined || !isValidName(name)) return notHere(reply);
        const path = makeFixedOutputPath(name, '', 'sha256', hex, root.storeDir).slice(root.storeDir.length + 1);
        const item = application.servable(path.slice(0, 32));
        if (item?.path !== path || !isAt(root, application.storeDir, item)) return notHere(reply);
        const etag = `"${hash}"`;
        reply.headers({ etag, 'cache-control': cacheControl, 'content-type': 'application/octet-stream' });
        if (matchesEtag(request.headers['if-none-match'], etag)) return reply.code(304).send();
        const opened = await pool.open(item.file);
        if (opened === undefined) return notHere(reply);
        const nar = decompress(item.file.compression, opened.read(0, opened.size) as AsyncIterable<Uint8Array>);
        const file = await flatFile(nar, item.narSize);
        if (file === undefined) return notHere(reply);
        try {
          // Whoever has gone meanwhile would leave it open.
          const isRead = request.method !== 'HEAD' && !reply.raw.destroyed;
          const body = isRead ? liveBody(file.bytes) : undefined;
          if (body === undefined) await file.close();
          return reply.header('content-length', file.size).send(body);
        } catch (error) {
          await file.close();
          throw error;
        }
      },
    });
  };
}

/** `undefined` where it is no sha256 in nix-base32. */
function hexOf(text: string): string | undefined {
  if (!/^[01][0-9abcdfghijklmnpqrsvwxyz]{51}$/.test(text)) return undefined;
  return Buffer.from(decodeNixBase32(text)).toString('hex');
}
