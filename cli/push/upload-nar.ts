import { type FileHandle, open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PartSize } from '../../agent/outputs/part-size.ts';
import type { UploadDeclaration, UploadStatus } from '../../coordinator/ports/pool.ts';
import type { Client } from '../http/client.ts';
import { CliError } from '../output/cli-error.ts';

export interface UploadedNar {
  /** What it is, for messages: `source`. */
  readonly what: string;
  readonly declaration: UploadDeclaration;
  /** Path of the file. */
  readonly file: string;
}

export interface UploadNarOptions {
  /** Shared by all uploads: what a proxy takes of one it takes of the others. */
  readonly parts: PartSize;
  /** Told why something is tried again. */
  readonly onTrouble: (text: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Tries without a byte of progress before giving up. */
const fruitlessTries = 5;

/** Sends one file in parts; after a break it goes on where the coordinator has got to. */
export async function uploadNar(
  client: Client,
  { what, declaration, file: path }: UploadedNar,
  { parts, onTrouble, signal }: UploadNarOptions,
): Promise<void> {
  await using file = await open(path);
  let fruitless = 0;
  let furthest = 0;
  for (;;) {
    try {
      const status = await client.send<UploadStatus>('POST', '/v1/uploads', declaration);
      if (status.finished) return;
      if (status.offset > furthest) {
        furthest = status.offset;
        fruitless = 0;
      }
      await sendParts(client, status, file, parts);
      return;
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof CliError)) throw error;
      if (error.code === 'item-exists') return;
      const mayPass = error.mayPass !== undefined || error.code === 'wrong-offset' || error.code === 'upload-busy';
      if (!mayPass || ++fruitless >= fruitlessTries) {
        throw new CliError(error.code, `${what} ${declaration.path}: ${error.message}`, {
          hint: error.hint,
          cause: error,
        });
      }
      onTrouble(`${what} ${declaration.path}: ${error.message}; trying again`);
      await sleep(200 * 2 ** fruitless, undefined, signal && { signal });
    }
  }
}

/** Sends the file from where the coordinator has got to; a part that a proxy refuses is sent again as smaller ones. */
async function sendParts(client: Client, from: UploadStatus, file: FileHandle, parts: PartSize): Promise<void> {
  for (let { offset, finished } = from; !finished; ) {
    const size = Math.min(from.fileSize - offset, parts.most);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size), 0, size, offset);
    try {
      ({ offset, finished } = await client.call<UploadStatus>('PATCH', `/v1/uploads/${from.id}`, {
        headers: { 'content-type': 'application/octet-stream', 'upload-offset': String(offset) },
        body: buffer.subarray(0, bytesRead),
        steady: true,
      }));
    } catch (error) {
      if (!(error instanceof CliError) || error.code !== 'proxy-limit' || !parts.refused(size)) throw error;
    }
  }
}
