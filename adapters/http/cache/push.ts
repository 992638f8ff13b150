import * as z from 'zod';
import type { Principal } from '../../../coordinator/application.ts';
import { DroverError, isDroverError } from '../../../coordinator/errors.ts';
import { baseName } from '../../../domain/event.ts';
import { FormatError } from '../../../domain/store/format-error.ts';
import { type NarInfo, parseNarinfo } from '../../../domain/store/narinfo.ts';
import { hashPartLength } from '../../../domain/store/store-path.ts';
import type { ReadyNar } from '../../pool/filesystem/staged-nars.ts';
import { createLimit } from '../../runtime/limit.ts';
import { principalOf } from '../access.ts';
import { type HttpContext, smallBody } from '../context.ts';
import { nothing } from '../schemas/requests.ts';
import { acceptStreams, bodyOf, bodyTooLarge, passOver } from '../streamed-body.ts';
import type { CachePlugin } from './cache-roots.ts';
import { parseNarName, parseStagedName } from './nar-url.ts';
import { sentItem } from './sent-file.ts';

/** NARs that are verified at a time, for all who push: as many as one token's memory for uploads has room for. */
const mostAtOnce = 4;
/** How often a NAR is given to the pool whose verifier stops under it. */
const tries = 3;
/** Refusals that are the NAR's own: it is of no use any more. */
const ofNar: ReadonlySet<string> = new Set([
  'malformed-nar',
  'wrong-nar-hash',
  'wrong-nar-size',
  'wrong-references',
  'wrong-compression',
  'not-content-addressed',
]);

/** Whose the NARs are that a token has sent before their narinfos. */
export const stagedBy = ({ id }: Pick<Principal, 'id'>): string => `token-${id}`;

/**
 * What `nix copy --to http://…` does: `PUT` of a NAR, then of its narinfo, which makes an item of both. Listings and debug indices that come
 * along are taken and left: they are made from NARs here. Source: Nix, src/libstore/binary-cache-store.cc.
 */
export function cachePushRoutes(context: HttpContext): CachePlugin {
  const { application, stagedNars, pool, closing, metrics } = context;
  const limited = createLimit(mostAtOnce);
  const received = metrics.counter('drover_pushed_bytes_total', 'Bytes of NARs sent ahead of their narinfos.');

  async function* counted(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of body) {
      received.add({}, chunk.length);
      yield chunk;
    }
  }

  /** The bytes that the narinfo is of: those that the token has sent, or a published file, which a client finds there and does not send. */
  async function narOf(owner: string, name: string, { url, compression, narSize }: NarInfo): Promise<ReadyNar> {
    const staged = parseStagedName(name) && (await stagedNars.ready(owner, name, compression, narSize));
    if (staged) return staged;
    const published = sentItem(context, name)?.file ?? parseNarName(name);
    const file = published && (await pool.open(published));
    if (published === undefined || file === undefined)
      throw new DroverError(
        'nar-missing',
        `URL: expected a NAR that was sent before, nar/<hash>.nar[.xz], got ${url.slice(0, 200)}`,
      );
    return {
      compression: published.compression,
      fileSize: file.size,
      isNamedRight: true,
      read: (offset) => file.read(offset, file.size) as AsyncIterable<Uint8Array>,
      async [Symbol.asyncDispose]() {},
    };
  }

  async function publish(by: Principal, path: string, info: NarInfo, storeDir: string): Promise<void> {
    const owner = stagedBy(by);
    const { url, narHash, narSize, references, deriver, ca } = info;
    const name = url.startsWith('nar/') ? url.slice('nar/'.length) : '';
    try {
      await using nar = await narOf(owner, name, info);
      // Whoever sent it remembers where; nobody is led there who means other bytes.
      const isSent = nar.isNamedRight && parseNarName(name)?.compression !== nar.compression;
      const declaration = {
        path,
        narHash,
        narSize,
        references: [...new Set(references)].sort(),
        compression: nar.compression,
        fileSize: nar.fileSize,
        ...(deriver !== undefined && { deriver }),
        push: {
          ...(storeDir !== application.storeDir && { storeDir }),
          ...(ca !== undefined && { ca }),
          ...(isSent && { sentAs: url }),
        },
      };
      for (let tried = 0; tried < tries; tried++) {
        const { id, offset, finished } = await application.beginUpload(by, declaration);
        if (finished) break;
        if ((await application.writeUpload(by, id, offset, nar.read(offset))).finished) break;
        if (tried === tries - 1)
          throw new DroverError('pool-unavailable', `${path}: the pool could not verify its NAR`);
      }
    } catch (error) {
      if (!isDroverError(error)) throw error;
      if (ofNar.has(error.code)) await stagedNars.remove(owner, name);
      // Somebody was quicker; which bytes a path stands for is decided by then.
      if (error.code !== 'item-exists') throw inWordsOfNarinfo(error);
    }
    await stagedNars.remove(owner, name);
  }

  return (root) => async (app) => {
    // Nix says what it sends, other clients may not.
    acceptStreams(app, closing, '*');
    app.put(
      '/nar/:file',
      {
        config: { access: 'push', streamed: true, quiet: true },
        schema: {
          tags: ['cache'],
          operationId: 'putNar',
          summary: 'Sends a NAR, compressed or not, ahead of its narinfo.',
          description: 'Nothing of it is served. It is removed where no narinfo of the same token follows.',
          params: z.object({ file: z.string() }),
          response: { 204: nothing },
        },
      },
      async (request, reply) => {
        const { file } = request.params;
        if (!parseStagedName(file))
          throw new DroverError(
            'invalid-request',
            `file: expected <hash>.nar[.<compression>], got ${file.slice(0, 100)}`,
          );
        const told = request.headers['content-length'];
        const size = told === undefined ? undefined : Number(told);
        await stagedNars.put(stagedBy(principalOf(request)), file, counted(bodyOf(request)), size);
        return reply.code(204).send();
      },
    );
    app.put(
      '/:hash.narinfo',
      {
        config: { access: 'push', streamed: true, quiet: true },
        schema: {
          tags: ['cache'],
          operationId: 'putNarinfo',
          summary: 'Makes a store item of a NAR that was sent before, once it is verified.',
          description:
            'What it refers to has to be there. Its signatures are left: the item is signed by the key of the pool.',
          params: z.object({ hash: z.string() }),
          response: { 204: nothing },
        },
      },
      async (request, reply) => {
        const by = principalOf(request);
        const { hash } = request.params;
        const info = parsed(await textOf(bodyOf(request, ['zstd', 'gzip'], smallBody)));
        const path = baseOf(info, hash, root.storeDir);
        if (application.servable(hash)?.path !== path) await limited(() => publish(by, path, info, root.storeDir));
        return reply.code(204).send();
      },
    );
    for (const [url, what, operationId] of [
      ['/:hash.ls', 'A listing', 'putListing'],
      ['/debuginfo/:id', 'An index of debug information', 'putDebugInfo'],
    ] as const)
      app.put(
        url,
        {
          config: { access: 'push', streamed: true, quiet: true },
          schema: {
            tags: ['cache'],
            operationId,
            summary: `${what}, which is taken and left: it is made of the NAR here.`,
            response: { 204: nothing },
          },
        },
        async (request, reply) => {
          await passOver(request, smallBody * 64);
          return reply.code(204).send();
        },
      );
    app.put(
      '/realisations/:id',
      {
        config: { access: 'push', streamed: true },
        schema: {
          tags: ['cache'],
          operationId: 'putRealisation',
          summary: 'Refused: which output a content-addressed derivation has is not kept.',
          response: { 204: nothing },
        },
      },
      async () => {
        throw new DroverError(
          'unsupported-kind',
          'realisations of content-addressed derivations are not kept; the store items themselves were taken',
        );
      },
    );
  };
}

function parsed(text: string): NarInfo {
  try {
    return parseNarinfo(text);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new DroverError('malformed-narinfo', error.message);
  }
}

/** Base name of the path that the narinfo is of, which has to be the one that it was sent to. */
function baseOf({ storePath }: NarInfo, hash: string, storeDir: string): string {
  const base = storePath.slice(storePath.lastIndexOf('/') + 1);
  if (storePath !== `${storeDir}/${base}`)
    throw new DroverError(
      'wrong-store-dir',
      `StorePath: expected a path in ${storeDir}, got ${storePath.slice(0, 300)}`,
    );
  if (base.slice(0, hashPartLength) !== hash || !baseName.safeParse(base).success)
    throw new DroverError(
      'malformed-narinfo',
      `StorePath: expected the path of ${hash.slice(0, 64)}.narinfo, got ${base}`,
    );
  return base;
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > smallBody) throw bodyTooLarge(smallBody, false);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** The sender knows the field by its name in the narinfo. */
function inWordsOfNarinfo({ code, message, details }: DroverError): DroverError {
  const { errors: _, ...rest } = details;
  return new DroverError(code, message.replace(/^push\.ca: /, 'CA: '), rest);
}
