import type { FastifyRequest } from 'fastify';
import * as z from 'zod';
import { secretOf } from '../access.ts';
import type { HttpContext } from '../context.ts';
import { freshViews } from '../fresh-views.ts';
import { nothing } from '../schemas/requests.ts';
import type { CachePlugin } from './cache-roots.ts';
import type { AnswerAnew } from './compressed-anew.ts';
import type { GuixNars } from './guix/nars.ts';
import { parseNarName } from './nar-url.ts';
import type { AnswerFile } from './pool-file.ts';
import { stagedBy } from './push.ts';
import { createSentFiles } from './sent-file.ts';

const narAnswer = (description: string) => ({ description, content: { 'application/x-nix-nar': { schema: z.any() } } });
const year = 365 * 24 * 60 * 60;

/**
 * `/nar/<file hash>.nar[.zst]`: the file itself, whole or one range of it. The bytes under a name never change: no answer with
 * others is ever whole.
 */
export function narRoute(
  context: HttpContext,
  answerFile: AnswerFile,
  answerAnew: AnswerAnew,
  guixNars: GuixNars | undefined,
): CachePlugin {
  const { application, stagedNars, cache } = context;
  const headers = {
    'content-type': 'application/x-nix-nar',
    'cache-control': `${cache.public ? 'public' : 'private'}, max-age=${year}, immutable`,
  };
  const answerSent = createSentFiles(context, answerAnew);
  /** Who pushes asks whether a NAR has to be sent. Nobody else learns of it. */
  async function sizeOfSent({ headers, params }: FastifyRequest): Promise<number | undefined> {
    const secret = secretOf(headers.authorization);
    const by = secret === undefined ? undefined : application.authenticate(secret);
    return by && stagedNars.size(stagedBy(by), (params as { file: string }).file);
  }
  return (root) => async (app) => {
    app.route({
      method: ['GET', 'HEAD'],
      url: '/nar/:file',
      config: { access: 'cache' },
      schema: {
        tags: ['cache'],
        operationId: 'getNar',
        summary: 'A NAR, compressed as its narinfo says.',
        params: z.object({ file: z.string() }),
        response: {
          200: narAnswer('The file.'),
          206: narAnswer('The range.'),
          304: nothing,
          416: z.any().describe('No such range.'),
        },
      },
      handler: async (request, reply) => {
        const { file } = request.params;
        const name = parseNarName(file);
        if (name !== undefined && (await answerFile(request, reply, name, headers))) return reply;
        if (guixNars?.isNamedSo(root, file)) return guixNars.answer(request, reply, root, file, 'none');
        const waiting = request.method === 'HEAD' ? await sizeOfSent(request) : undefined;
        if (waiting !== undefined)
          return reply.headers({ 'content-length': waiting, 'cache-control': 'no-store' }).send();
        if (request.method === 'GET') await freshViews(context);
        return answerSent(request, file, reply);
      },
    });
  };
}
