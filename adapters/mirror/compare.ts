import type { Drover } from '../../client/drover.ts';
import { DroverProblem } from '../../client/errors.ts';
import { FormatError } from '../../domain/store/format-error.ts';
import { createLimit } from '../runtime/limit.ts';
import type { CachedItem } from './cache-folder.ts';
import { FolderError } from './folder-error.ts';
import { type FolderForm, openFolder } from './folder-form.ts';
import { findServedCache } from './served-cache.ts';

export interface CompareOptions {
  readonly drover: Drover;
  readonly folder: string;
  readonly wants: (path: string) => boolean;
  readonly connections: number;
  /** Of its NARs, where the folder is in the layout of guix publish. */
  readonly compressions?: FolderForm['compressions'];
  /** Whether NARs are read, every byte; by size alone otherwise. */
  readonly bytes: boolean;
  readonly progress: (compared: number) => void;
}

/** Pages without an item that was not on one before: whoever gives out more of them has no end. */
const mostIdlePages = 1000;

/** One item by which a folder and the coordinator's cache differ. */
export interface Difference {
  /** Base name. */
  readonly item: string;
  /** `nar`: the file of the NAR is not there, or has another size or other bytes. */
  readonly kind: 'missing' | 'extra' | 'different' | 'nar';
}

/** What a mirror lacks of what the coordinator serves, and has beyond it. An item that changes meanwhile may be named. */
export async function compareMirror(options: CompareOptions): Promise<{ compared: number; differences: Difference[] }> {
  const { drover, wants, progress, compressions } = options;
  const folder = await openFolder(options.folder, { compressions }, 'read');
  const cache = await findServedCache(drover, compressions !== undefined);
  const limit = createLimit(options.connections);
  const differences: Difference[] = [];
  const seen = new Set<string>();
  const reading = createLimit(2);
  const damaged = new Map<string, Promise<boolean>>();
  let compared = 0;

  /** The narinfo as it is served, in the form in which it is kept; what a coordinator has and does not serve, it does not have. */
  async function served(path: string): Promise<string | undefined> {
    try {
      return asKept(await limit(() => cache.narinfo(path.slice(0, 32))));
    } catch (error) {
      if (error instanceof DroverProblem && error.status === 404) return undefined;
      throw error;
    }
  }

  async function isDamaged(item: CachedItem): Promise<boolean> {
    if (!(await folder.isWhole(item))) return true;
    if (!options.bytes) return false;
    // Many items may have one.
    const { url } = item.info;
    const known =
      damaged.get(url) ??
      reading(() =>
        folder.verifyNar(item).then(
          () => false,
          () => true,
        ),
      );
    damaged.set(url, known);
    return known;
  }

  /** What is no narinfo differs as it is. */
  function asKept(text: string): string {
    try {
      return folder.itemOf(text).text;
    } catch (error) {
      if (error instanceof FormatError) return text;
      throw error;
    }
  }

  async function compare(item: string): Promise<void> {
    const mine = folder.get(item);
    const theirs = await served(item);
    if (theirs === undefined && mine !== undefined) differences.push({ item, kind: 'extra' });
    else if (theirs !== undefined && mine === undefined) differences.push({ item, kind: 'missing' });
    else if (mine !== undefined && theirs !== mine.text) differences.push({ item, kind: 'different' });
    else if (mine !== undefined && (await isDamaged(mine))) differences.push({ item, kind: 'nar' });
    // Of what is on its way out there is nothing on either side.
    if (theirs !== undefined || mine !== undefined) progress(++compared);
  }

  let after: string | undefined;
  let idle = 0;
  const known = new Set<string>();
  do {
    const page = await drover.listItems({ limit: 1000, ...(after !== undefined && { after }) });
    const before = known.size;
    for (const { path } of page.rows) known.add(path);
    // A page may be empty and have a next one; not so many one after another.
    idle = known.size === before ? idle + 1 : 0;
    if (idle > mostIdlePages)
      throw new FolderError(`/v1/items: expected pages with items that were not on others, got ${idle} without`);
    const wanted = page.rows.flatMap((row) => (cache.isOf(row) && wants(row.path) ? [row.path] : []));
    for (const path of wanted) seen.add(path);
    await Promise.all(wanted.map(compare));
    after = page.next;
  } while (after !== undefined);
  // What came along because others refer to it, and what should not be there.
  await Promise.all(
    Array.from(folder.all(), ({ path }) => path).flatMap((path) => (seen.has(path) ? [] : [compare(path)])),
  );
  return { compared, differences: differences.sort((a, b) => (a.item < b.item ? -1 : 1)) };
}
