import type { IncomingMessage } from 'node:http';
import * as z from 'zod';
import { TransferError } from '../../agent/ports/transfer-error.ts';
import type { UploadState, Uploads } from '../../agent/ports/uploads.ts';
import { count, identifier } from '../../domain/event.ts';
import { type HttpClient, readBody, refusal } from './http-request.ts';

const uploadState = z.object({ id: identifier, offset: count, finished: z.boolean() });

/** The coordinator's resumable uploads over HTTP: `/v1/uploads`. */
export function openUploads(http: HttpClient): Uploads {
  return {
    async begin(wish, signal) {
      const response = await http.send({
        method: 'POST',
        path: 'v1/uploads',
        headers: { 'content-type': 'application/json' },
        body: Buffer.from(JSON.stringify(wish)),
        signal,
      });
      if (response.statusCode === 200 || response.statusCode === 201) return readState(response, wish.path);
      const refused = await refusal(response, wish.path);
      if (refused.code === 'item-exists') return 'item-exists';
      throw refused;
    },

    async status(id, signal) {
      const response = await http.send({ method: 'GET', path: `v1/uploads/${id}`, signal });
      if (response.statusCode === 200) return readState(response, id);
      throw await refusal(response, `upload ${id}`);
    },

    async write(id, offset, size, body, signal) {
      const response = await http.send({
        method: 'PATCH',
        path: `v1/uploads/${id}`,
        headers: {
          'content-type': 'application/octet-stream',
          'content-length': size,
          'upload-offset': offset,
        },
        body,
        signal,
      });
      if (response.statusCode === 200) return readState(response, id);
      throw await refusal(response, `upload ${id}`);
    },
  };
}

async function readState(response: IncomingMessage, what: string): Promise<UploadState> {
  const text = (await readBody(response, 64 * 1024)).toString();
  try {
    return uploadState.parse(JSON.parse(text));
  } catch (error) {
    throw new TransferError(
      'malformed-answer',
      `${what}: expected the state of an upload`,
      { status: 1 },
      { cause: error },
    );
  }
}
