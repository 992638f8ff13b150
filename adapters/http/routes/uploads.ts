import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import { baseName, count, identifier, sha256Text } from '../../../domain/event.ts';
import { principalOf } from '../access.ts';
import type { HttpContext } from '../context.ts';
import type { Counter } from '../metrics/registry.ts';
import { uploadParams, uploadStatus } from '../schemas/uploads.ts';
import { acceptStreams, bodyOf } from '../streamed-body.ts';

const declaration = z.strictObject({
  path: baseName,
  narHash: sha256Text,
  narSize: z.int().min(1),
  references: z.array(baseName).max(100_000),
  compression: z.enum(['none', 'zstd']),
  deriver: baseName.exactOptional(),
  fileSize: z.int().min(1),
  /** For an output: the attempt that made it. */
  build: identifier.exactOptional(),
  attempt: z.int().min(1).exactOptional(),
  /** For what no build here made, by a token that may push: its content address, if it has one, and its store directory, if that is not the first. */
  push: z
    .strictObject({ ca: z.string().max(256).exactOptional(), storeDir: z.string().max(1024).exactOptional() })
    .exactOptional(),
});

/** Resumable uploads of NARs: declared, sent in parts from the offset that is safe, verified with the last byte. */
export function uploadRoutes({ application, metrics, limits, closing }: HttpContext): FastifyPluginAsyncZod {
  const received = metrics.counter('drover_upload_bytes_total', 'Bytes of NARs received.');
  const parts: FastifyPluginAsyncZod = async (streams) => {
    acceptStreams(streams, closing, 'application/octet-stream', 'application/offset+octet-stream');
    streams.patch(
      '/v1/uploads/:upload',
      {
        config: { access: 'upload', streamed: true, quiet: true },
        schema: {
          tags: ['uploads'],
          operationId: 'sendUploadPart',
          summary: 'Sends the bytes from Upload-Offset on.',
          description: 'A connection that breaks loses only what was not safe yet: ask for the offset and go on.',
          consumes: ['application/octet-stream'],
          headers: z.object({
            'upload-offset': z
              .string()
              .regex(/^[0-9]{1,15}$/, 'expected a number of bytes')
              .transform(Number)
              .pipe(count),
          }),
          params: uploadParams,
          response: { 200: uploadStatus },
        },
      },
      async (request, reply) => {
        const body = counted(bodyOf(request), received);
        const offset = request.headers['upload-offset'];
        const status = await application.writeUpload(principalOf(request), request.params.upload, offset, body);
        return reply.header('upload-offset', status.offset).send(status);
      },
    );
  };
  return async (app) => {
    app.post(
      '/v1/uploads',
      {
        bodyLimit: limits.body,
        config: { access: 'upload', quiet: true },
        schema: {
          tags: ['uploads'],
          operationId: 'beginUpload',
          summary: 'Begins an upload, or finds the one that was begun with the same declaration.',
          body: declaration,
          response: { 201: uploadStatus },
        },
      },
      async (request, reply) => {
        const status = await application.beginUpload(principalOf(request), request.body);
        return reply
          .code(201)
          .header('location', `/v1/uploads/${status.id}`)
          .header('upload-offset', status.offset)
          .send(status);
      },
    );
    app.route({
      method: ['GET', 'HEAD'],
      url: '/v1/uploads/:upload',
      config: { access: 'upload' },
      schema: {
        tags: ['uploads'],
        operationId: 'getUpload',
        summary: 'How far an upload is; also in the header Upload-Offset.',
        params: uploadParams,
        response: { 200: uploadStatus },
      },
      handler: async (request, reply) => {
        const status = await application.uploadStatus(principalOf(request), request.params.upload);
        return reply
          .header('upload-offset', status.offset)
          .header('upload-length', status.fileSize)
          .header('cache-control', 'no-store')
          .send(status);
      },
    });

    await app.register(parts);
  };
}

async function* counted(body: AsyncIterable<Uint8Array>, counter: Counter): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    counter.add({}, chunk.length);
    yield chunk;
  }
}
