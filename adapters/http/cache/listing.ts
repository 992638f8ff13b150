import * as z from 'zod';
import type { UnsignedItem } from '../../../domain/item/events.ts';
import { isHashPart } from '../../../domain/store/store-path.ts';
import { createLimit } from '../../runtime/limit.ts';
import type { HttpContext } from '../context.ts';
import { type CachePlugin, isAt } from './cache-roots.ts';
import type { DoubtFile } from './doubtful-files.ts';
import { matchesEtag } from './etag.ts';
import { notHere } from './not-here.ts';

/** NARs that are read for their listings at a time: whoever asks for many takes no more of the machine. */
const mostAtOnce = 2;
/** Listings that are kept, in characters, with what an entry takes besides. */
const entryLength = 256;
const mostKept = 16 * 1024 * 1024;

/**
 * `/<hash part>.ls`: what is in a store item, as `write-nar-listing` of Nix makes it. Made from the NAR when somebody asks for it, which few do
 * of few items, and kept for a while; it is there exactly as long as the narinfo.
 */
export function listingRoute({ application, pool, cache }: HttpContext, doubtFile: DoubtFile): CachePlugin {
  const cacheControl = `${cache.public ? 'public' : 'private'}, max-age=${cache.ttlSeconds}`;
  const limited = createLimit(mostAtOnce);
  /** By the hash of the NAR, the one that was asked for last at the end; empty where there is too much for a listing. */
  const kept = new Map<string, string>();
  let length = 0;
  const underWay = new Map<string, Promise<string | undefined>>();

  function keep(narHash: string, text: string): void {
    kept.set(narHash, text);
    length += text.length + entryLength;
    for (const [oldest, other] of kept) {
      if (length <= mostKept || oldest === narHash) break;
      kept.delete(oldest);
      length -= other.length + entryLength;
    }
  }

  async function listingOf(item: UnsignedItem): Promise<string | undefined> {
    const { narHash } = item;
    const known = kept.get(narHash);
    if (known !== undefined) {
      kept.delete(narHash);
      kept.set(narHash, known);
      return known;
    }
    let work = underWay.get(narHash);
    if (work === undefined) {
      work = limited(() => pool.listing(item))
        .then((listed) => (listed === 'too-long' ? '' : listed?.text))
        .finally(() => underWay.delete(narHash));
      underWay.set(narHash, work);
      const made = await work;
      if (made !== undefined) keep(narHash, made);
    }
    return work;
  }

  return (root) => async (app) => {
    app.route({
      method: ['GET', 'HEAD'],
      url: '/:hash.ls',
      config: { access: 'cache' },
      schema: {
        tags: ['cache'],
        operationId: 'getListing',
        summary: 'What is in a store item: its files, with their places in the NAR.',
        params: z.object({ hash: z.string() }),
        response: {
          200: { description: 'The listing.', content: { 'application/json': { schema: z.any() } } },
          304: z.any().describe('Nothing.'),
        },
      },
      handler: async (request, reply) => {
        const { hash } = request.params;
        const servable = () => {
          const found = isHashPart(hash) ? application.servable(hash) : undefined;
          return isAt(root, application.storeDir, found) ? found : undefined;
        };
        const item = servable();
        if (item === undefined) return notHere(reply);
        const etag = `"${item.narHash.slice('sha256:'.length)}"`;
        reply.headers({ etag, 'cache-control': cacheControl });
        if (matchesEtag(request.headers['if-none-match'], etag)) return reply.code(304).send();
        const text = await listingOf(item);
        // It may have gone while its file was read.
        if (!text || servable()?.narHash !== item.narHash) {
          // What is rotten has the right size.
          if (text === undefined) await doubtFile(item.path, 'all', request.log);
          reply.removeHeader('etag');
          return notHere(reply);
        }
        return reply.header('content-type', 'application/json').send(text);
      },
    });
  };
}
