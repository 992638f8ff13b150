import type { Drover } from '../../client/drover.ts';
import { DroverProblem } from '../../client/errors.ts';
import { FormatError } from '../../domain/store/format-error.ts';
import type { NarInfo } from '../../domain/store/narinfo.ts';
import { createLimit } from '../runtime/limit.ts';
import { openCacheFolder } from './cache-folder.ts';
import { verifyNar } from './fetch-nar.ts';
import { FolderError } from './folder-error.ts';
import { keptForm } from './kept-form.ts';
import { readSmall } from './read-small.ts';

export interface CompareOptions {
  readonly drover: Drover;
  readonly folder: string;
  readonly wants: (path: string) => boolean;
  readonly connections: number;
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
  const { drover, wants, progress } = options;
  const folder = await openCacheFolder(options.folder, 'read');
  const limit = createLimit(options.connections);
  const differences: Difference[] = [];
  const seen = new Set<string>();
  const reading = createLimit(2);
  const damaged = new Map<string, Promise<boolean>>();
  let compared = 0;

  /** The narinfo as it is served, in the form in which it is kept; what a coordinator has and does not serve, it does not have. */
  async function served(path: string): Promise<string | undefined> {
    try {
      return asKept(await limit(() => readSmall(drover, `/${path.slice(0, 32)}.narinfo`)));
    } catch (error) {
      if (error instanceof DroverProblem && error.status === 404) return undefined;
      throw error;
    }
  }

  async function isDamaged(info: NarInfo): Promise<boolean> {
    if (!(await folder.hasNar(info).catch(() => false))) return true;
    if (!options.bytes) return false;
    // Many items may have one.
    const known =
      damaged.get(info.url) ??
      reading(() =>
        verifyNar(info, folder.narFile(info)).then(
          () => false,
          () => true,
        ),
      );
    damaged.set(info.url, known);
    return known;
  }

  async function compare(item: string): Promise<void> {
    const mine = folder.get(item);
    const theirs = await served(item);
    if (theirs === undefined && mine !== undefined) differences.push({ item, kind: 'extra' });
    else if (theirs !== undefined && mine === undefined) differences.push({ item, kind: 'missing' });
    else if (mine !== undefined && theirs !== mine.text) differences.push({ item, kind: 'different' });
    else if (mine !== undefined && (await isDamaged(mine.info))) differences.push({ item, kind: 'nar' });
    progress(++compared);
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
    const wanted = page.rows.map(({ path }) => path).filter(wants);
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

/** What is no narinfo differs as it is. */
function asKept(text: string): string {
  try {
    return keptForm(text).text;
  } catch (error) {
    if (error instanceof FormatError) return text;
    throw error;
  }
}
