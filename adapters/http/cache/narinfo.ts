import { createHash } from 'node:crypto';
import type { FastifyReply } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { ServedUpstreamItem } from '../../../coordinator/application.ts';
import type { StoreItem } from '../../../domain/item/events.ts';
import { type NarInfo, renderNarinfo } from '../../../domain/store/narinfo.ts';
import { isHashPart } from '../../../domain/store/store-path.ts';
import { leadsBack, viaOf } from '../../upstream/via.ts';
import type { HttpContext } from '../context.ts';
import { abortOnEnd } from '../long-answer.ts';
import { nothing } from '../schemas/requests.ts';
import { type CacheRoot, isAt } from './cache-roots.ts';
import type { DoubtFile } from './doubtful-files.ts';
import { matchesEtag } from './etag.ts';
import { narUrl } from './nar-url.ts';
import { notHere } from './not-here.ts';
import { upstreamNarUrl } from './upstream-url.ts';

/** `/<hash part>.narinfo`: what the cache knows of a store item, if it can be fetched now with all it refers to (I7). */
export function narinfoRoute(
  { application, pool, cache, closing }: HttpContext,
  doubtFile: DoubtFile,
  root: CacheRoot,
): FastifyPluginAsyncZod {
  const { storeDir } = root;
  const here = <Thing extends { storeDir?: string | undefined }>(thing: Thing | undefined): Thing | undefined =>
    isAt(root, application.storeDir, thing) ? thing : undefined;
  const cacheControl = `${cache.public ? 'public' : 'private'}, max-age=${cache.ttlSeconds}`;
  function answer(etag: string | undefined, reply: FastifyReply, info: NarInfo): FastifyReply {
    const rendered = render(info);
    reply.headers({ etag: rendered.etag, 'cache-control': cacheControl });
    if (matchesEtag(etag, rendered.etag)) return reply.code(304).send();
    return reply.header('content-type', 'text/x-nix-narinfo').send(rendered.text);
  }

  /** Two coordinators that are upstreams of each other would say for ever that the other has what neither has any more. */
  async function isToPassOn(hashPart: string, via: string, signal: AbortSignal): Promise<boolean> {
    return !leadsBack(via, cache.id) && application.confirmUpstream(hashPart, via, signal);
  }

  return async (app) => {
    app.route({
      method: ['GET', 'HEAD'],
      url: '/:hash.narinfo',
      config: { access: 'cache' },
      schema: {
        tags: ['cache'],
        operationId: 'getNarinfo',
        summary: 'Metadata of a store item, signed.',
        params: z.object({ hash: z.string() }),
        response: {
          200: { description: 'Lines of `Key: value`.', content: { 'text/x-nix-narinfo': { schema: z.any() } } },
          304: nothing,
        },
      },
      handler: async (request, reply) => {
        const { hash } = request.params;
        const found = isHashPart(hash) ? here(application.servable(hash)) : undefined;
        const elsewhere = found === undefined && isHashPart(hash) ? here(application.upstreamItem(hash)) : undefined;
        if (elsewhere !== undefined) {
          const via = viaOf(request.headers);
          const isForIt = via === undefined || (await isToPassOn(hash, via, abortOnEnd(reply.raw, closing)));
          return isForIt
            ? answer(request.headers['if-none-match'], reply, upstreamNarinfo(elsewhere, storeDir))
            : notHere(reply);
        }
        if (found === undefined) return notHere(reply);
        if (!(await pool.has(found.file))) {
          await doubtFile(found.path, 'size', request.log);
          return notHere(reply);
        }
        const item = await signedNow(application, found);
        if (item === undefined) return notHere(reply);
        return answer(request.headers['if-none-match'], reply, narinfoOf(item, storeDir));
      },
    });
  };
}

/** What is served of a hash part now; `undefined` where that is nothing, as where the file of the NAR is gone, which is told. */
export async function narinfoText(
  application: Pick<HttpContext['application'], 'servable' | 'signed' | 'upstreamItem' | 'storeDir' | 'doubtItem'>,
  pool: Pick<HttpContext['pool'], 'has'>,
  hashPart: string,
): Promise<string | undefined> {
  if (!isHashPart(hashPart)) return undefined;
  const item = application.servable(hashPart);
  if (item === undefined) {
    const elsewhere = application.upstreamItem(hashPart);
    return elsewhere && renderNarinfo(upstreamNarinfo(elsewhere, application.storeDir));
  }
  if (!(await pool.has(item.file))) {
    await application.doubtItem(item.path, 'size');
    return undefined;
  }
  const now = await signedNow(application, item);
  return now && renderNarinfo(narinfoOf(now, now.storeDir ?? application.storeDir));
}

/** Signed by the key of now; `undefined` where it has gone while its file was looked for. What came in its place has been signed just then. */
async function signedNow(
  application: Pick<HttpContext['application'], 'servable' | 'signed'>,
  found: StoreItem,
): Promise<StoreItem | undefined> {
  const signed = await application.signed(found);
  const now = application.servable(found.path.slice(0, 32));
  return now?.narHash === found.narHash && now.file.hash === found.file.hash ? signed : now;
}

function render(info: NarInfo): { readonly text: string; readonly etag: string } {
  const text = renderNarinfo(info);
  return { text, etag: `"${createHash('sha256').update(text).digest('base64url').slice(0, 32)}"` };
}

/** As the upstream signed it; its NAR comes through here, so that nobody else has to reach the upstream. Agents may, where it says so. */
export function upstreamNarinfo(item: ServedUpstreamItem, storeDir: string): NarInfo {
  const { narHash, narSize, references, deriver, ca, signatures, upstream, compression, url } = item;
  return {
    storePath: `${storeDir}/${item.path}`,
    url: upstreamNarUrl(item),
    compression: 'none',
    narHash,
    narSize,
    references,
    ...(deriver !== undefined && { deriver }),
    signatures,
    ...(ca !== undefined && { ca }),
    ...(item.isDirect && { elsewhere: { upstream, compression, url } }),
  };
}

export function narinfoOf(item: StoreItem, storeDir: string): NarInfo {
  return {
    storePath: `${storeDir}/${item.path}`,
    url: narUrl(item.file),
    compression: item.file.compression,
    fileHash: item.file.hash,
    fileSize: item.file.size,
    narHash: item.narHash,
    narSize: item.narSize,
    references: item.references,
    signatures: item.signatures,
    ...(item.deriver === undefined ? {} : { deriver: item.deriver }),
    ...(item.ca === undefined ? {} : { ca: item.ca }),
  };
}
