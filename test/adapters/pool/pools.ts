import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FilesystemPoolOptions, openFilesystemPool } from '../../../adapters/pool/filesystem/filesystem-pool.ts';
import type { OwnerLimits } from '../../../adapters/pool/filesystem/owner-share.ts';
import type {
  Pool,
  PoolFile,
  UploadDeclaration,
  UploadRefusal,
  UploadStatus,
} from '../../../coordinator/ports/pool.ts';
import { createManualRuntime } from '../../support/manual-runtime.ts';
import { chunksOf } from './nars.ts';

export async function temporaryFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'drover-test-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Room for all that one owner wants. */
export const openHanded: OwnerLimits = { count: 1000, fileBytes: 1e12, declarationBytes: 1e9 };

export function openPool(dir: string, options: Partial<FilesystemPoolOptions> = {}): Promise<Pool> {
  const { timers } = createManualRuntime();
  return openFilesystemPool({
    dir,
    maxNarSize: 256 * 1024 * 1024,
    maxUploadAgeMs: 60_000,
    perOwner: openHanded,
    memory: { total: 256 * 1024 * 1024, perOwner: 256 * 1024 * 1024 },
    clock: { now: () => 1_000_000, monotonic: () => 1_000_000 },
    timers,
    verifiers: { threads: 1 },
    ...options,
  });
}

/** A pool in a folder of its own. */
export async function temporaryPool(options?: Partial<FilesystemPoolOptions>) {
  const folder = await temporaryFolder();
  const pool = await openPool(folder.path, options);
  return {
    dir: folder.path,
    pool,
    async [Symbol.asyncDispose]() {
      await pool[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

export type Outcome = UploadStatus | { readonly refused: UploadRefusal };

export function accepted(outcome: Outcome): UploadStatus {
  if ('refused' in outcome) assert.fail(`refused: ${outcome.refused.code}: ${outcome.refused.message}`);
  return outcome;
}

export function refusal(outcome: Outcome): UploadRefusal {
  if (!('refused' in outcome)) assert.fail(`expected a refusal, got ${JSON.stringify(outcome)}`);
  return outcome.refused;
}

/** Begins and sends the whole in one piece. */
export async function send(
  pool: Pool,
  declaration: UploadDeclaration,
  file: Uint8Array,
  scan?: readonly string[],
  owner = 'sender',
): Promise<Outcome> {
  const begun = await pool.begin(owner, declaration, scan);
  return 'refused' in begun ? begun : pool.write(begun.id, owner, 0, chunksOf(file, 40_000));
}

export async function contentsOf(file: PoolFile | undefined, start = 0, end = file?.size ?? 0): Promise<Buffer> {
  assert.ok(file, 'expected a published file');
  const parts: Buffer[] = [];
  for await (const part of file.read(start, end)) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

/** All files in a folder and below, sorted. */
export async function filesIn(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
    .sort();
}
