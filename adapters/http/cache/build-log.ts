import { Readable } from 'node:stream';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import { baseName } from '../../../domain/event.ts';
import { hashPartLength } from '../../../domain/store/store-path.ts';
import type { HttpContext } from '../context.ts';
import { freshViews } from '../fresh-views.ts';
import { abortOnEnd } from '../long-answer.ts';
import { notHere } from './not-here.ts';

/**
 * `/log/<base name of the .drv>`, which `nix log` asks for, or of one of its outputs, which Guix asks for: the log of the last attempt that built
 * it, whether its outputs are still there or not. What several derivations have as an output has the log of the one that made it. An attempt that
 * found the outputs in the store of its agent has run no builder and has no log: then it is that of the one before.
 */
export function cacheLogRoute(context: HttpContext): FastifyPluginAsyncZod {
  const { views, logs, closing, producersOf } = context;
  const isNamed = (name: string): boolean => baseName.safeParse(name).success;
  function* derivationsOf(name: string): Generator<string> {
    if (!isNamed(name)) return;
    if (name.endsWith('.drv')) {
      yield name;
      return;
    }
    const item = views.item(name.slice(0, hashPartLength));
    if (item?.path === name && item.deriver !== undefined) yield item.deriver;
    yield* producersOf(name);
  }
  async function logOf(name: string, signal: AbortSignal) {
    for (const derivation of derivationsOf(name))
      for (const { build, attempt } of views.logsOf(derivation)) {
        // Before it is read: one that grows is as long as it was when it was asked for.
        const size = await logs.size(build, attempt);
        const log = await logs.read(build, attempt, { signal });
        if (log !== undefined) return { size, log };
      }
    return undefined;
  }
  return async (app) => {
    app.route({
      method: ['GET', 'HEAD'],
      url: '/log/:derivation',
      config: { access: 'cache' },
      schema: {
        tags: ['cache'],
        operationId: 'getDerivationLog',
        summary: 'The log of the last build of a derivation, by its name or that of an output.',
        params: z.object({ derivation: z.string() }),
        response: { 200: { description: 'The log.', content: { 'text/plain': { schema: z.any() } } } },
      },
      handler: async (request, reply) => {
        const { derivation } = request.params;
        const signal = abortOnEnd(reply.raw, closing);
        let found = await logOf(derivation, signal);
        if (found === undefined && isNamed(derivation)) {
          // It may have been built just now.
          await freshViews(context);
          found = await logOf(derivation, signal);
        }
        if (found === undefined) return notHere(reply);
        const { size, log } = found;
        reply.headers({ 'content-type': 'text/plain; charset=utf-8', 'content-length': size });
        return request.method === 'HEAD'
          ? reply.send()
          : reply.send(Readable.from(firstBytes(log, size), { objectMode: false }));
      },
    });
  };
}

async function* firstBytes(log: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
  let left = size;
  for await (const chunk of log) {
    yield chunk.subarray(0, left);
    left -= chunk.length;
    if (left <= 0) return;
  }
}
