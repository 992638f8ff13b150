import { Readable } from 'node:stream';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import type { ViewsProgress } from '../../../coordinator/ports/views.ts';
import type { HttpContext } from '../context.ts';
import { abortOnEnd } from '../long-answer.ts';

export function viewRoutes({ views, closing }: Pick<HttpContext, 'views' | 'closing'>): FastifyPluginAsyncZod {
  return async (app) => {
    app.post(
      '/v1/views/rebuild',
      {
        config: { access: 'admin' },
        schema: {
          tags: ['views'],
          operationId: 'rebuildViews',
          summary:
            'Makes what lists and searches read anew from the log; the old is read until the new takes its place.',
          description:
            'Lines of JSON as it goes on: `progress`, with events so far and, where the engine counts them, in all; `end` once the new views are in place. An answer without `end` was cut off, and changed nothing. It ends when its reader goes.',
          response: { 200: { description: 'Reports.', content: { 'application/x-ndjson': { schema: z.any() } } } },
        },
      },
      async (_request, reply) => {
        const steps = views.rebuild(abortOnEnd(reply.raw, closing))[Symbol.asyncIterator]();
        // A refusal comes before the answer begins.
        const first = await steps.next();
        return reply
          .header('cache-control', 'no-store')
          .header('x-accel-buffering', 'no')
          .type('application/x-ndjson')
          .send(Readable.from(lines(steps, first), { objectMode: false }));
      },
    );
  };
}

async function* lines(
  steps: AsyncIterator<ViewsProgress>,
  first: IteratorResult<ViewsProgress>,
): AsyncGenerator<string> {
  let last: ViewsProgress = { events: 0 };
  try {
    for (let step = first; !step.done; step = await steps.next()) {
      last = step.value;
      yield `${JSON.stringify({ type: 'progress', ...last })}\n`;
    }
    yield `${JSON.stringify({ type: 'end', ...last })}\n`;
  } finally {
    await steps.return?.();
  }
}
