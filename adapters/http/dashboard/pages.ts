import type { FastifyReply, FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { DroverError } from '../../../coordinator/errors.ts';
import { guixStoreDir } from '../../../domain/guix/store-dir.ts';
import { matchesEtag } from '../cache/etag.ts';
import { guixPage } from '../cache/guix/pages.ts';
import type { DashboardOptions, HttpContext } from '../context.ts';
import type { DashboardFile, DashboardFiles } from './files.ts';
import { pageHeaders } from './page-headers.ts';

/** Addresses that people open, name and send to each other; which page each is, is seen to in the browser. */
const pages = [
  '/',
  '/login',
  '/submissions',
  '/submissions/:id',
  '/builds',
  '/builds/:id',
  '/agents',
  '/agents/:name',
  '/items',
  '/items/:item',
  '/hooks',
  '/hooks/:hook',
  '/roots',
  '/roots/:root',
  '/tokens',
  '/events',
  '/upstreams',
  '/upstreams/:upstream',
  '/search',
  '/difference',
  '/at/:position',
  '/at/:position/*',
] as const;

/** Whether a path is one of them; as of a moment it is the path behind that. */
const patterns = pages.map((page) => new RegExp(`^${page.replaceAll(/:\w+/g, '[^/]+').replace('/*', '/.*')}$`));
const isPage = (path: string): boolean => patterns.some((pattern) => pattern.test(path));

const shared = { method: ['GET', 'HEAD'] as 'GET'[], config: { access: 'open' as const }, schema: { hide: true } };

/**
 * The dashboard's pages, all of them one file, and what it names below `/assets/`. They hold no data: what they show they ask the API for, by the right
 * of who looks. So the page of a build that there is not is there all the same: which there are is told only to who may read.
 */
export function dashboardPages(
  { application, guix }: Pick<HttpContext, 'application' | 'guix'>,
  { files, problem = 'the pages of the dashboard were not made' }: DashboardOptions,
): FastifyPluginAsyncZod {
  const isGuix = guix !== undefined && application.storeDirs[0] === guixStoreDir;
  return async (app) => {
    for (const url of pages)
      app.route({
        ...shared,
        url,
        handler: async (request, reply) => {
          if (url === '/' && isGuix) {
            reply.header('vary', 'accept');
            // As it was before there was a dashboard, for all that are no browsers.
            if (files === undefined || !wantsPage(request.headers.accept))
              return reply.headers(pageHeaders).type('text/html; charset=utf-8').send(guixPage);
          }
          if (files === undefined) throw new DroverError('dashboard-not-made', problem);
          const { '*': page } = request.params as { readonly '*'?: string };
          if (page !== undefined && page !== '' && !isPage(`/${page}`)) return sendMissing(request, reply, files);
          return send(request, reply.headers({ ...pageHeaders, 'cache-control': 'no-cache' }), files.page);
        },
      });
    app.route<{ Params: { file: string } }>({
      ...shared,
      url: '/assets/:file',
      handler: async (request, reply) => {
        const file = files?.asset(request.params.file);
        if (file === undefined)
          throw new DroverError('not-found', 'expected a file of the dashboard that runs here: load its page again');
        return send(request, reply.header('cache-control', 'public, max-age=31536000, immutable'), file);
      },
    });
  };
}

/** What a browser is shown that asks for what is nowhere: the page, which says so. `undefined` for all others, and for what of the API is not there. */
export type AnswerMissing = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply> | undefined;

export function missingPages({ files }: DashboardOptions): AnswerMissing {
  return (request, reply) => {
    const reads = request.method === 'GET' || request.method === 'HEAD';
    if (files === undefined || !reads || !wantsPage(request.headers.accept) || /^\/v1(?:[/?]|$)/.test(request.url))
      return undefined;
    return sendMissing(request, reply.header('vary', 'accept'), files);
  };
}

function sendMissing(request: FastifyRequest, reply: FastifyReply, { page }: DashboardFiles): Promise<FastifyReply> {
  return send(request, reply.code(404).headers({ ...pageHeaders, 'cache-control': 'no-store' }), page, false);
}

/** Whether a browser asks, for something to show. Programs take anything, or say nothing. */
function wantsPage(accept: string | undefined): boolean {
  return accept?.toLowerCase().includes('text/html') === true;
}

async function send(
  request: FastifyRequest,
  reply: FastifyReply,
  file: DashboardFile,
  isKept = true,
): Promise<FastifyReply> {
  const { 'if-none-match': known, 'accept-encoding': accept } = request.headers;
  reply.header('vary', varyOf(reply));
  if (isKept) {
    // Weak: it is the same for each coding.
    reply.header('etag', `W/${file.tag}`);
    if (matchesEtag(known, file.tag)) return reply.code(304).send();
  }
  const { bytes, coding } = await file.encoded(accept);
  if (coding !== undefined) reply.header('content-encoding', coding);
  return reply.type(file.type).send(bytes);
}

function varyOf(reply: FastifyReply): string {
  const others = reply.getHeader('vary');
  return others === undefined ? 'accept-encoding' : `${String(others)}, accept-encoding`;
}
