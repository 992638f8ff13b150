import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import { DroverError } from '../../../coordinator/errors.ts';
import type { HttpContext } from '../context.ts';

const text = (description: string) => ({ description, content: { 'text/plain': { schema: z.string() } } });

/** For auditors and witnesses, who are anybody: what the log is, signed, and by which key. It tells nothing of what is in the log. */
export function checkpointRoutes({ application }: HttpContext): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/v1/checkpoint',
      {
        config: { access: 'open' },
        schema: {
          tags: ['events'],
          operationId: 'getCheckpoint',
          summary: 'The newest signed checkpoint of the log, a C2SP tlog-checkpoint (docs/audit.md).',
          response: { 200: text('A signed note.') },
        },
      },
      async (_, reply) => {
        const note = application.checkpoint();
        if (note === undefined)
          throw new DroverError(
            'not-found',
            'no checkpoint of the log is signed yet; audit.checkpoint-seconds says when',
          );
        return reply.type('text/plain; charset=utf-8').send(note);
      },
    );
    app.get(
      '/v1/checkpoint/key',
      {
        config: { access: 'open' },
        schema: {
          tags: ['events'],
          operationId: 'getCheckpointKey',
          summary:
            'The public key that checkpoints are signed with, as <name>+<id>+<base64>. Compare it with audit-key.pub before you trust it.',
          response: { 200: text('The key.') },
        },
      },
      async (_, reply) => {
        if (application.auditKey === undefined) throw new DroverError('not-found', 'this log is not signed');
        return reply.type('text/plain; charset=utf-8').send(`${application.auditKey}\n`);
      },
    );
  };
}
