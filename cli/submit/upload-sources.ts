import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPartSize } from '../../agent/outputs/part-size.ts';
import type { Client } from '../http/client.ts';
import { CliError } from '../output/cli-error.ts';
import { uploadNar } from '../push/upload-nar.ts';
import type { DerivationSource } from './derivation-source.ts';

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
        const declaration = await source.pack(base, candidates, file, signal).catch((error: NodeJS.ErrnoException) => {
          signal?.throwIfAborted();
          // What could not be read has another path.
          if (error.syscall !== 'write' && error.path !== file) throw error;
          return refuseFolder(error);
        });
        if (declaration === undefined) absent.push(base);
        else await uploadNar(client, { what: 'source', declaration, file }, { parts, onTrouble, signal });
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

/** What a temporary folder that cannot be written to is to a user. */
export function refuseFolder(cause: Error): never {
  throw new CliError('no-temporary-folder', `sources are packed below ${tmpdir()}, which failed: ${cause.message}`, {
    hint: 'TMPDIR names another folder; nothing was submitted',
    cause,
  });
}
