import { Readable } from 'node:stream';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { baseName } from '../../../domain/event.ts';
import { hashPartLength } from '../../../domain/store/store-path.ts';
import type { HttpContext } from '../context.ts';
import { abortOnEnd } from '../long-answer.ts';
import { notHere } from './not-here.ts';

/**
 * `/log/<base name of the .drv>`, which `nix log` asks for, or of one of its outputs, which Guix asks for: the log of the last attempt that built
 * it, whether its outputs are still there or not. What several derivations have as an output has the log of the one that made it.
 */
export function cacheLogRoute({ views, logs, closing, producersOf }: HttpContext): FastifyPluginAsyncZod {
  const isNamed = (name: string): boolean => baseName.safeParse(name).success;
  function logOf(name: string): ReturnType<HttpContext['views']['logOf']> {
    if (!isNamed(name)) return undefined;
    if (name.endsWith('.drv')) return views.logOf(name);
    const item = views.item(name.slice(0, hashPartLength));
    const derivers = item?.path === name && item.deriver !== undefined ? [item.deriver] : [];
    for (const deriver of [...derivers, ...producersOf(name)]) {
      const log = views.logOf(deriver);
      if (log !== undefined) return log;
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
        const last = logOf(derivation);
        if (last === undefined) return notHere(reply);
        const size = await logs.size(last.build, last.attempt);
        const log = await logs.read(last.build, last.attempt, { signal: abortOnEnd(reply.raw, closing) });
        if (log === undefined) return notHere(reply);
        // One that grows is as long as it was when it was asked for.
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
