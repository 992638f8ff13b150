import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { sha256Of } from '../../adapters/pool/nars.ts';
import { insist } from '../../simulation/violation.ts';
import type { Farm } from '../../support/e2e/farm.ts';
import type { House } from '../house.ts';
import type { LogAudit } from './log.ts';

async function get(farm: Farm, path: string): Promise<{ readonly status: number; readonly bytes: Buffer }> {
  const answer = await fetch(`${farm.url}${path}`, { headers: { connection: 'close' } });
  return { status: answer.status, bytes: Buffer.from(await answer.arrayBuffer()) };
}

/**
 * Fetches an item as a client of the cache does it: what comes is what the narinfo says (I6).
 *
 * @returns what it refers to; `undefined` where the cache does not have it, `broken` where it has the narinfo alone, and `away` without an answer.
 */
export async function fetchItem(
  { farm, up }: House,
  path: string,
): Promise<{ readonly references: readonly string[] } | 'broken' | 'away' | undefined> {
  await up();
  try {
    const info = await get(farm, `/${path.slice(0, 32)}.narinfo`);
    if (info.status !== 200) return info.status === 404 ? undefined : 'away';
    const text = info.bytes.toString();
    const field = (name: string): string => new RegExp(`^${name}: (.*)$`, 'm').exec(text)?.[1] ?? '';
    const nar = await get(farm, `/${field('URL')}`);
    if (nar.status !== 200) return nar.status === 404 ? 'broken' : 'away';
    const file = sha256Of(nar.bytes);
    insist(file === field('FileHash'), 'I6', `${path}: its file should be ${field('FileHash')}, and is ${file}`);
    const bytes = field('Compression') === 'zstd' ? zstdDecompressSync(nar.bytes) : nar.bytes;
    const hash = sha256Of(bytes);
    insist(hash === field('NarHash'), 'I6', `${path}: its NAR should be ${field('NarHash')}, and is ${hash}`);
    return { references: field('References').split(' ').filter(Boolean) };
  } catch (error) {
    if (error instanceof TypeError) return 'away';
    throw error;
  }
}

/** I6, I7 and I8, where nobody is hurt and nothing changes: what is available by the log, and only that, is served, whole. */
export async function auditCache(house: House, { ledger }: LogAudit): Promise<number> {
  let fetched = 0;
  for (const path of ledger.everPresent) {
    const got = await fetchItem(house, path);
    insist(got !== 'away' && got !== 'broken', 'I7', `${path}: its narinfo is served, and what it leads to is ${got}`);
    const isAvailable = ledger.isAvailable(path);
    if (got === undefined) {
      insist(!isAvailable, 'I7', `${path} is available, and the cache does not have it`);
      continue;
    }
    insist(isAvailable, 'I8', `${path} is not available, and the cache serves it`);
    const references = [...(ledger.items.get(path)?.references ?? [])].sort();
    insist(
      JSON.stringify([...got.references].sort()) === JSON.stringify(references),
      'I6',
      `${path}: refers to ${references}, and its narinfo says ${got.references}`,
    );
    fetched++;
  }
  return fetched;
}

/** Files of the pool that no item has, and such that items have and that are not there. */
export function strayFiles(farm: Farm, { ledger }: LogAudit): string[] {
  const nars = join(farm.data, 'pool/nar');
  const there = existsSync(nars)
    ? readdirSync(nars, { recursive: true, withFileTypes: true }).flatMap((file) => (file.isFile() ? [file.name] : []))
    : [];
  const wanted = new Set(
    [...ledger.items.values(), ...ledger.unpublished.values()].map(({ file }) => file.slice('sha256:'.length)),
  );
  const stray = there.filter((name) => !wanted.has(name.slice(0, 52))).map((name) => `nobody has the file ${name}`);
  const digests = new Set(there.map((name) => name.slice(0, 52)));
  for (const digest of wanted) if (!digests.has(digest)) stray.push(`the file ${digest} is not there`);
  return stray;
}
