import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import type { ServedUpstreamItem } from '../../../coordinator/application.ts';
import { guixStoreDir } from '../../../domain/guix/store-dir.ts';
import type { StoreItem } from '../../../domain/item/events.ts';
import { type NarInfo, narinfoType, renderNarinfo } from '../../../domain/store/narinfo.ts';
import { isHashPart } from '../../../domain/store/store-path.ts';
import type { HeldItem } from '../../../projections/item-details.ts';
import { narinfoForFoldersType, withGuixSignature } from '../../mirror/guix-signature-field.ts';
import { leadsBack, viaOf } from '../../upstream/via.ts';
import type { HttpContext } from '../context.ts';
import { abortOnEnd } from '../long-answer.ts';
import { nothing } from '../schemas/requests.ts';
import { type CacheRoot, isAt } from './cache-roots.ts';
import type { DoubtFile } from './doubtful-files.ts';
import { matchesEtag } from './etag.ts';
import type { GuixNarinfos } from './guix/narinfos.ts';
import { narUrl } from './nar-url.ts';
import { notHere } from './not-here.ts';
import { upstreamNarUrl } from './upstream-url.ts';

const guixNarinfoType = 'application/x-nix-narinfo; charset=utf-8';

/** Agents, mirrors and upstreams of Drover read Nix's form, with its signatures, at the cache for Guix as well; neither Nix nor Guix says what it takes. */
const isForNix = ({ headers }: FastifyRequest): boolean =>
  headers.accept === narinfoType || headers.accept === narinfoForFoldersType;

/** What is answered of an item; kept as long as it is the same (`ItemDetails.get`). */
interface Rendered {
  readonly text: string;
  readonly etag: string;
}

const rendered = (text: string): Rendered => ({
  text,
  etag: `"${createHash('sha256').update(text).digest('base64url').slice(0, 32)}"`,
});

/** `/<hash part>.narinfo`: what the cache knows of a store item, if it can be fetched now with all it refers to (I7). */
export function narinfoRoute(
  { application, pool, cache, closing, guix }: HttpContext,
  doubtFile: DoubtFile,
  root: CacheRoot,
  guixNarinfos: GuixNarinfos | undefined,
): FastifyPluginAsyncZod {
  const { storeDir } = root;
  const forGuix = storeDir === guixStoreDir ? guixNarinfos : undefined;
  const absent = (reply: FastifyReply) => notHere(reply, forGuix && guix?.negativeTtlSeconds);
  const here = <Thing extends { storeDir?: string | undefined }>(thing: Thing | undefined): Thing | undefined =>
    isAt(root, application.storeDir, thing) ? thing : undefined;
  const cacheControl = `${cache.public ? 'public' : 'private'}, max-age=${cache.ttlSeconds}`;
  function answer(
    { headers }: FastifyRequest,
    reply: FastifyReply,
    type: string,
    { text, etag }: Rendered,
  ): FastifyReply {
    reply.headers({ etag, 'cache-control': cacheControl, ...(forGuix && { vary: 'accept' }) });
    if (matchesEtag(headers['if-none-match'], etag)) return reply.code(304).send();
    return reply.header('content-type', type).send(text);
  }

  const [ofNix, ofGuix] = [new WeakMap<HeldItem, Rendered>(), new WeakMap<HeldItem, Rendered>()];

  /** With the signature for Guix where a mirror wants that. @param own what the item has of it */
  const inNixForm = async ({ headers }: FastifyRequest, info: NarInfo, own?: string): Promise<string> =>
    forGuix && headers.accept === narinfoForFoldersType
      ? withGuixSignature(info, await forGuix.signatureOf(info, own))
      : renderNarinfo(info);

  const headersAreForFolders = ({ headers }: FastifyRequest): boolean => headers.accept === narinfoForFoldersType;

  async function inGuixForm(item: HeldItem, narinfos: GuixNarinfos): Promise<Rendered> {
    const known = ofGuix.get(item) ?? rendered(await narinfos.of(item, storeDir));
    ofGuix.set(item, known);
    return known;
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
          200: { description: 'Lines of `Key: value`.', content: { [narinfoType]: { schema: z.any() } } },
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
          if (!isForIt) return absent(reply);
          if (forGuix === undefined || isForNix(request))
            return answer(
              request,
              reply,
              narinfoType,
              rendered(await inNixForm(request, upstreamNarinfo(elsewhere, storeDir))),
            );
          return answer(request, reply, guixNarinfoType, rendered(await forGuix.ofUpstream(elsewhere, storeDir)));
        }
        if (found === undefined) return absent(reply);
        if (!(await pool.has(found.file))) {
          await doubtFile(found.path, 'size', request.log);
          return absent(reply);
        }
        if (forGuix !== undefined && !isForNix(request)) {
          const first = await inGuixForm(found, forGuix);
          // It may have gone, or come anew, meanwhile.
          const now = application.servable(hash);
          if (now === undefined) return absent(reply);
          return answer(request, reply, guixNarinfoType, now === found ? first : await inGuixForm(now, forGuix));
        }
        const plain = headersAreForFolders(request) ? undefined : ofNix.get(found);
        // It may have gone, or come anew, while its file was looked for.
        if (plain !== undefined && application.servable(hash) === found)
          return answer(request, reply, narinfoType, plain);
        const now = await signedNow(application, found);
        if (now === undefined) return absent(reply);
        const { held, item } = now;
        const made = rendered(await inNixForm(request, narinfoOf(item, storeDir), item.guixSignature));
        if (!headersAreForFolders(request)) ofNix.set(held, made);
        return answer(request, reply, narinfoType, made);
      },
    });
  };
}

/**
 * What is served of a hash part now; `undefined` where that is nothing, as where the file of the NAR is gone, which is told.
 *
 * @param guixNarinfos with the signature for Guix, as folders in the layout of guix publish take it
 */
export async function narinfoText(
  application: Pick<HttpContext['application'], 'servable' | 'signed' | 'upstreamItem' | 'storeDir' | 'doubtItem'>,
  pool: Pick<HttpContext['pool'], 'has'>,
  hashPart: string,
  guixNarinfos?: GuixNarinfos,
): Promise<string | undefined> {
  if (!isHashPart(hashPart)) return undefined;
  const withSignature = async (info: NarInfo, own?: string): Promise<string> =>
    guixNarinfos ? withGuixSignature(info, await guixNarinfos.signatureOf(info, own)) : renderNarinfo(info);
  const item = application.servable(hashPart);
  if (item === undefined) {
    const elsewhere = application.upstreamItem(hashPart);
    return elsewhere && withSignature(upstreamNarinfo(elsewhere, application.storeDir));
  }
  if (!(await pool.has(item.file))) {
    await application.doubtItem(item.path, 'size');
    return undefined;
  }
  const now = await signedNow(application, item);
  if (now === undefined) return undefined;
  const info = narinfoOf(now.item, now.item.storeDir ?? application.storeDir);
  return withSignature(info, now.item.guixSignature);
}

/** What is served of its hash part now, as the farm holds it and signed by the key of now; `undefined` where it has gone while its file was looked for. */
async function signedNow(
  application: Pick<HttpContext['application'], 'servable' | 'signed'>,
  found: HeldItem,
): Promise<{ readonly held: HeldItem; readonly item: StoreItem } | undefined> {
  for (let held = found; ; ) {
    const item = await application.signed(held);
    const now = application.servable(found.path.slice(0, 32));
    if (now === undefined) return undefined;
    if (now.narHash === held.narHash && now.file.hash === held.file.hash) return { held, item };
    held = now;
  }
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
