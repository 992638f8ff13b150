import { readFile, rm } from 'node:fs/promises';
import * as z from 'zod';
import type { FinishedUpload, UploadDeclaration } from '../../../coordinator/ports/pool.ts';
import { baseName, count, sha256Text } from '../../../domain/event.ts';
import { encodeNixBase32 } from '../../../domain/store/nix-base32.ts';
import { sha256 } from '../../../domain/store/sha256.ts';
import { writeFileDurably } from '../../data-dir/durable.ts';
import { isUploadId, type Layout } from './layout.ts';
import { isMissing } from './system-error.ts';

const declaration = z.object({
  path: baseName,
  narHash: sha256Text,
  narSize: z.int().min(1),
  references: z.array(baseName),
  compression: z.enum(['none', 'zstd']),
  deriver: baseName.optional(),
  fileSize: count,
  push: z
    .object({ storeDir: z.string().optional(), ca: z.string().optional(), sentAs: z.string().optional() })
    .optional(),
});

const begunRecord = z.object({
  version: z.literal(1),
  owner: z.string(),
  /** Milliseconds since the Unix epoch. */
  startedAt: z.number(),
  declaration,
  scan: z.array(z.string()).optional(),
  attempt: z.string().optional(),
});

const finishedRecord = begunRecord.omit({ scan: true }).extend({
  file: z.object({ hash: sha256Text, size: count }),
  flatSha256: z.string().optional(),
  buildIds: z.array(z.string()).optional(),
});

/** What is known of an upload, beside its bytes. */
export interface UploadRecord {
  readonly owner: string;
  readonly startedAt: number;
  readonly declaration: UploadDeclaration;
  readonly scan?: readonly string[];
  /** The attempt of its owner that made it, if one did. */
  readonly attempt?: string;
}
export interface FinishedRecord extends Omit<UploadRecord, 'scan'> {
  readonly file: { readonly hash: string; readonly size: number };
  readonly flatSha256?: string;
  readonly buildIds?: readonly string[];
}

/** Throws a zod error where the declaration is not well-formed: it becomes names of files and events. */
export function checkDeclaration(value: UploadDeclaration): UploadDeclaration {
  return declaration.parse(value) as UploadDeclaration;
}

/** The same owner, declaration and scan give the same id, so that a second `begin` finds what the first one began. */
export function uploadIdOf({ owner, declaration, scan }: Omit<UploadRecord, 'startedAt'>): string {
  const { path, narHash, narSize, references, compression, deriver, fileSize, push } = declaration;
  const scanned = scan === undefined ? null : [...new Set(scan)].sort();
  const text = JSON.stringify([
    owner,
    path,
    narHash,
    narSize,
    references,
    compression,
    deriver ?? null,
    fileSize,
    scanned,
    ...(push === undefined ? [] : [push.ca ?? null]),
  ]);
  return encodeNixBase32(sha256(Buffer.from(text)).subarray(0, 20));
}

/** Not yet fsynced: until something was acknowledged, an upload that a power cut loses is begun again. */
export function begunText(record: UploadRecord): string {
  return JSON.stringify({ version: 1, ...record });
}

/** From here on the upload is finished, come what may. */
export async function writeFinished(layout: Layout, id: string, record: FinishedRecord): Promise<void> {
  const paths = layout.upload(id);
  await writeFileDurably(paths.finished, JSON.stringify({ version: 1, ...record }));
  await rm(paths.declaration, { force: true });
}

/** What a folder in `uploads/` says of its upload; `undefined` for what a crash left half done, or is damaged. */
export async function readRecord(layout: Layout, id: string): Promise<UploadRecord | FinishedRecord | undefined> {
  if (!isUploadId(id)) return undefined;
  const paths = layout.upload(id);
  const finished = finishedRecord.safeParse(await readJson(paths.finished));
  if (finished.success) return finished.data as FinishedRecord;
  const begun = begunRecord.safeParse(await readJson(paths.declaration));
  return begun.success ? (begun.data as UploadRecord) : undefined;
}

async function readJson(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function toFinishedUpload(id: string, record: FinishedRecord): FinishedUpload {
  const addresses = (record.buildIds ?? []).map((buildId) => `debuginfo/${buildId}`);
  if (record.declaration.push?.sentAs !== undefined) addresses.push(record.declaration.push.sentAs);
  const { path, narHash, narSize, references, deriver, compression, push } = record.declaration;
  return {
    id,
    item: {
      path,
      narHash,
      narSize,
      references: [...references],
      ...(deriver !== undefined && { deriver }),
      file: { ...record.file, compression },
      ...(addresses.length > 0 && { addresses }),
    },
    ...(record.flatSha256 !== undefined && { flatSha256: record.flatSha256 }),
    ...(push !== undefined && { push }),
  };
}
