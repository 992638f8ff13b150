import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createPartSize, type PartSize } from '../../agent/outputs/part-size.ts';
import type { UploadDeclaration, UploadStatus } from '../../coordinator/ports/pool.ts';
import type { Client } from '../http/client.ts';
import { CliError } from '../output/cli-error.ts';
import type { DerivationSource } from './derivation-source.ts';
import { packSource } from './pack-source.ts';

export interface SourcesResult {
  readonly uploaded: number;
  /** Base names of what is not on this machine: no error, the builds that need them wait. */
  readonly absent: readonly string[];
}

export interface SourcesProgress {
  /** How many are there, or are not on this machine. */
  readonly onDone?: (done: number) => void;
  /** Ends it. */
  readonly signal?: AbortSignal;
  /** Told why something is tried again. */
  readonly onTrouble?: (text: string) => void;
}

/** Several small uploads at once hide the round trips; the disk of the coordinator is the bound. */
const parallel = 4;
/** Tries without a byte of progress before giving up. */
const fruitlessTries = 5;

/**
 * Uploads sources that the coordinator lacks, those that are here.
 *
 * @param candidates base names of all that a source may refer to.
 */
export async function uploadSources(
  client: Client,
  missing: readonly string[],
  candidates: ReadonlySet<string>,
  source: DerivationSource,
  { onDone = () => {}, onTrouble = () => {}, signal }: SourcesProgress = {},
): Promise<SourcesResult> {
  const folder = await mkdtemp(join(tmpdir(), 'drover-submit-')).catch(refuseFolder);
  const absent: string[] = [];
  let next = 0;
  let done = 0;
  try {
    // A part is in memory while it is sent, so that a proxy hears its size before it comes.
    const parts = createPartSize();
    const worker = async (): Promise<void> => {
      for (let index = next++; index < missing.length; index = next++) {
        const base = missing[index] as string;
        const file = join(folder, base);
        const declaration = await packSource(base, source.physicalPath(base), candidates, file, signal).catch(
          (error: NodeJS.ErrnoException) => {
            signal?.throwIfAborted();
            // What could not be read has another path.
            if (error.syscall !== 'write' && error.path !== file) throw error;
            return refuseFolder(error);
          },
        );
        if (declaration === undefined) absent.push(base);
        else await uploadFile(client, declaration, file, parts, onTrouble, signal);
        await rm(file, { force: true });
        onDone(++done);
      }
    };
    await Promise.all(Array.from({ length: Math.min(parallel, missing.length) }, worker));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return { uploaded: missing.length - absent.length, absent: absent.sort() };
}

function refuseFolder(cause: Error): never {
  throw new CliError('no-temporary-folder', `sources are packed below ${tmpdir()}, which failed: ${cause.message}`, {
    hint: 'TMPDIR names another folder; nothing was submitted',
    cause,
  });
}

/** Sends one file in parts; after a break it goes on where the coordinator has got to. */
async function uploadFile(
  client: Client,
  declaration: UploadDeclaration,
  path: string,
  parts: PartSize,
  onTrouble: (text: string) => void,
  signal: AbortSignal | undefined,
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
        throw new CliError(error.code, `source ${declaration.path}: ${error.message}`, {
          hint: error.hint,
          cause: error,
        });
      }
      onTrouble(`source ${declaration.path}: ${error.message}; trying again`);
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
