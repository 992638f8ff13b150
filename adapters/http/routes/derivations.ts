import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import { DroverError } from '../../../coordinator/errors.ts';
import { baseName } from '../../../domain/event.ts';
import type { ReadContext } from '../context.ts';
import { addDerivationLines } from '../derivation-lines.ts';
import { acceptStreams, bodyOf } from '../streamed-body.ts';

/** Most names in one question; a larger set is asked about in parts. */
const names = z.array(baseName).max(100_000);
const missing = z.object({ missing: z.array(z.string()) });

/** What a client sends before it submits: derivations, and the question which of them and of their sources are lacking. */
export function derivationRoutes({ application, limits, closing }: ReadContext): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/v1/limits',
      {
        config: { access: 'read' },
        schema: {
          tags: ['derivations'],
          operationId: 'getLimits',
          summary:
            'What the coordinator takes in, so that a client can say what is too large before it sends anything.',
          response: {
            200: z.object({
              maxDerivationBytes: z.int().describe('Setting limits.max-derivation-bytes.'),
              maxCommitBytes: z.int().describe('What the event store takes in one commit.'),
              maxBodyBytes: z.int().describe('Setting limits.max-body-bytes.'),
            }),
          },
        },
      },
      async () => ({ ...limits.derivations, maxBodyBytes: limits.body }),
    );
    app.post(
      '/v1/derivations/missing',
      {
        bodyLimit: limits.body,
        config: { access: 'submit', quiet: true },
        schema: {
          tags: ['derivations'],
          operationId: 'findMissingDerivations',
          summary: 'Those of the named derivations that the coordinator lacks.',
          body: z.strictObject({ paths: names }),
          response: { 200: missing },
        },
      },
      async (request) => ({ missing: [...(await application.missingDerivations(request.body.paths))] }),
    );
    app.get(
      '/v1/derivations/:derivation/text',
      {
        config: { access: 'derivation', quiet: true },
        schema: {
          tags: ['derivations'],
          operationId: 'getDerivationText',
          summary: 'The text of a derivation, as it lies in a store.',
          params: z.object({ derivation: baseName }),
          response: {
            200: { description: 'A `.drv` file.', content: { 'application/octet-stream': { schema: z.any() } } },
          },
        },
      },
      async (request, reply) => {
        const { derivation } = request.params;
        const text = await application.derivationText(derivation);
        if (text === undefined)
          throw new DroverError('not-found', `${derivation}: expected a derivation that the coordinator has`);
        return reply.type('application/octet-stream').send(text);
      },
    );
    app.post(
      '/v1/sources/missing',
      {
        bodyLimit: limits.body,
        config: { access: 'submit', quiet: true },
        schema: {
          tags: ['derivations'],
          operationId: 'findMissingSources',
          summary: 'Sources that the closures of the derivations name and neither the pool nor an upstream has.',
          body: z.strictObject({
            roots: names,
            checkUpstream: z
              .enum(['never', 'inputs', 'all'])
              .describe('As of the submission that is to come; `never`: no upstream is asked.')
              .exactOptional(),
          }),
          response: { 200: missing },
        },
      },
      async (request) => {
        const { roots, checkUpstream } = request.body;
        return { missing: [...(await application.missingSources(roots, checkUpstream))] };
      },
    );

    await app.register(async (streams) => {
      acceptStreams(streams, closing, 'application/x-ndjson');
      streams.post(
        '/v1/derivations',
        {
          config: { access: 'submit', streamed: true },
          schema: {
            tags: ['derivations'],
            operationId: 'addDerivations',
            summary: 'Adds derivations, inputs before what needs them.',
            description:
              'Body: application/x-ndjson, one line `{"path": base name, "text": base 64 of the .drv file}` per derivation, optionally with Content-Encoding zstd or gzip. Stops at the first that is refused; those before it stay.',
            consumes: ['application/x-ndjson'],
            response: { 200: z.object({ received: z.int(), added: z.int() }) },
          },
        },
        (request) =>
          addDerivationLines(
            bodyOf(request, ['zstd', 'gzip'], limits.body),
            {
              derivation: limits.derivations.maxDerivationBytes,
              total: limits.body,
              batch: limits.derivationBatch,
              batchBytes: limits.derivationBatchBytes,
            },
            (batch) => application.addDerivations(batch),
          ),
      );
    });
  };
}
