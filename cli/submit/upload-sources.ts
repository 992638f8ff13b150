import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
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
  onDone: (done: number) => void = () => {},
): Promise<SourcesResult> {
  const folder = await mkdtemp(join(tmpdir(), 'drover-submit-'));
  const absent: string[] = [];
  let next = 0;
  let done = 0;
  try {
    const worker = async (): Promise<void> => {
      for (let index = next++; index < missing.length; index = next++) {
        const base = missing[index] as string;
        const file = join(folder, base);
        const declaration = await packSource(base, source.physicalPath(base), candidates, file);
        if (declaration === undefined) absent.push(base);
        else await uploadFile(client, declaration, file);
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

/** Sends one file; after a break it goes on where the coordinator has got to. */
async function uploadFile(client: Client, declaration: UploadDeclaration, file: string): Promise<void> {
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
      const rest = createReadStream(file, { start: status.offset });
      await client.request('PATCH', `/v1/uploads/${status.id}`, {
        headers: { 'content-type': 'application/octet-stream', 'upload-offset': String(status.offset) },
        body: Readable.toWeb(rest) as ReadableStream<Uint8Array>,
      });
      return;
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      if (error.code === 'item-exists') return;
      const mayPass = [
        'connection-failed',
        'connection-refused',
        'wrong-offset',
        'upload-busy',
        'too-many-uploads',
        'not-ready',
        'store-unavailable',
      ];
      if (!mayPass.includes(error.code) || ++fruitless >= fruitlessTries) {
        throw new CliError(error.code, `source ${declaration.path}: ${error.message}`, {
          hint: error.hint,
          cause: error,
        });
      }
      await sleep(200 * 2 ** fruitless);
    }
  }
}
