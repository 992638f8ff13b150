import { rename } from 'node:fs/promises';
import { DroverProblem, DroverUnreachable } from '../../client/errors.ts';
import { type ClosureLimit, largestClosure } from '../../domain/limits.ts';
import { fingerprint } from '../../domain/store/fingerprint.ts';
import { FormatError } from '../../domain/store/format-error.ts';
import { type NarInfo, parseNarinfo } from '../../domain/store/narinfo.ts';
import { verify } from '../../domain/store/signature.ts';
import { createLimit } from '../runtime/limit.ts';
import type { CachedItem, CacheFolder } from './cache-folder.ts';
import type { CacheSource } from './cache-source.ts';
import { fetchNar, partOf } from './fetch-nar.ts';
import type { Leaving } from './leaving.ts';

export interface FillingOptions {
  readonly folder: CacheFolder;
  readonly source: CacheSource;
  /** That of the folder: what is of another one is not for it. Absent: the source has no other. */
  readonly storeDir?: string;
  /** Public keys: an item has to be signed by one of them. Absent: signatures are not looked at. */
  readonly keys?: readonly string[] | undefined;
  /** Files that are asked for at a time. */
  readonly connections: number;
  /** Wanted, and not in the folder. */
  readonly waiting: Set<string>;
  readonly leaving: Leaving;
  /** Resolves once what waits and what leaves is durable: only then an item goes that is wanted still, or a kill would make it be forgotten. */
  keepWaiting(): Promise<void>;
  readonly signal: AbortSignal;
  /** Asks; again where the answer is that it may come later. */
  answered<Result>(ask: () => Promise<Result>): Promise<Result>;
  /** Told of bytes that came. */
  received(bytes: number): void;
  /** Told after each item that is in the folder now. */
  published(path: string): void;
  /** Told of each item that waits again, as something went that it refers to. */
  withdrawn?(item: CachedItem): void;
  /** Told of an item that is not what it should be; with its path where it is its NAR that is not. */
  trouble(message: string, path?: string): void;
  /** What is looked at for one item; more than any closure has if absent. */
  readonly most?: ClosureLimit;
}

/** Brings items from a cache into a folder, and takes them out, so that the folder is closed at every moment (I7). */
export interface Filling {
  /** Brings items, and what they refer to; what cannot be had waits. */
  bring(wanted: ReadonlySet<string>): Promise<void>;
  /** Takes an item out, and before it all that refers to it, which waits then. Their NARs stay for that long after that; not at all if absent. */
  withdraw(path: string, staysMs?: number): Promise<void>;
  /** The narinfo that the source serves; `undefined` where it serves none, or a wrong one. */
  narinfoOf(path: string): Promise<CachedItem | undefined>;
  /** Takes out items whose files are not there or too short, and what refers to something that is not there; finds out what was damaged. All wait. */
  mend(): Promise<void>;
  /** Takes an item out whose files are not whole; it waits then, with what refers to it. Whether it was so. */
  mendOne(path: string): Promise<boolean>;
  /** An item that was given up in this run may be another now. */
  tryAgain(path: string): void;
}

export function createFilling(options: FillingOptions): Filling {
  const { folder, source, keys, waiting, leaving, keepWaiting, signal, answered, received, published, trouble } =
    options;
  const { most = largestClosure, storeDir } = options;
  const limit = createLimit(options.connections);
  /** Items that refer to more than anything does: they are not looked at again in this run. */
  const endless = new Set<string>();
  /** Items of another store directory, among what is brought now. */
  const foreign = new Set<string>();

  async function narinfoAt(hashPart: string): Promise<CachedItem | undefined> {
    try {
      const text = await limit(() => answered(() => source.narinfo(hashPart)));
      if (text === undefined) return undefined;
      if (storeDir !== undefined && isForeign(parseNarinfo(text), storeDir)) return undefined;
      const item = folder.itemOf(text);
      if (!item.path.startsWith(hashPart))
        throw new FormatError('malformed-narinfo', `expected that of ${hashPart}, got ${item.path}`);
      if (keys !== undefined && !isSigned(item, keys))
        throw new FormatError('malformed-narinfo', notSigned(item, keys));
      return item;
    } catch (error) {
      const isWrong = error instanceof DroverProblem && error.status === 200;
      if (!(error instanceof FormatError) && !isWrong) throw error;
      trouble(`${hashPart}.narinfo: ${(error as Error).message}`);
      return undefined;
    }
  }

  function isForeign({ storePath }: NarInfo, storeDir: string): boolean {
    const isOther = !storePath.startsWith(`${storeDir}/`);
    if (isOther) foreign.add(storePath.slice(storePath.lastIndexOf('/') + 1));
    return isOther;
  }

  async function narinfoOf(path: string): Promise<CachedItem | undefined> {
    const item = await narinfoAt(path.slice(0, 32));
    if (item === undefined || item.path === path) return item;
    trouble(`${path}: expected its narinfo, got that of ${item.path}`);
    return undefined;
  }

  /** A path and all that refers to it, directly or not, each after everything that refers to it. */
  function withReferrers(start: string): string[] {
    const order: string[] = [];
    const seen = new Set([start]);
    const open = [{ path: start, referrers: folder.referrersOf(start).values() }];
    for (let last = open.at(-1); last !== undefined; last = open.at(-1)) {
      const next = last.referrers.next();
      if (next.done) {
        order.push(last.path);
        open.pop();
      } else if (!seen.has(next.value)) {
        seen.add(next.value);
        open.push({ path: next.value, referrers: folder.referrersOf(next.value).values() });
      }
    }
    return order;
  }

  async function withdraw(start: string, staysMs = 0): Promise<void> {
    const going = withReferrers(start).flatMap((path) => folder.get(path) ?? []);
    // They are wanted still; the source has them again once what they refer to is there.
    const wanted = going.filter(({ path }) => path !== start);
    for (const { path } of wanted) waiting.add(path);
    for (const { info } of going) leaving.keep(info.url, staysMs);
    if (wanted.length > 0 || (going.length > 0 && staysMs > 0)) await keepWaiting();
    for (const item of going) {
      await folder.unpublish(item.path);
      if (item.path !== start) options.withdrawn?.(item);
    }
  }

  /** One after the other where items have the same NAR: it is fetched once. */
  const nars = new Map<string, Promise<boolean>>();
  function bringNar(item: CachedItem): Promise<boolean> {
    const { url } = item.info;
    const before = nars.get(url) ?? Promise.resolve(false);
    const brought = before
      .catch(() => false)
      .then(() => bringOwnNar(item))
      .finally(() => nars.get(url) === brought && nars.delete(url));
    nars.set(url, brought);
    return brought;
  }

  async function bringOwnNar({ path, info, from }: CachedItem): Promise<boolean> {
    const file = folder.narFile(info);
    try {
      if (await folder.hasNar(info)) return true;
      // What is there is looked at as what was fetched before.
      if (await folder.isNarUnknown(info)) await rename(file, partOf(file));
      await source.place?.(info, partOf(file));
      await limit(() => answered(() => fetchNar(source.nars, { ...info, url: from }, file, signal, received)));
      await limit(() => folder.broughtNar(info));
      return true;
    } catch (error) {
      if (error instanceof DroverProblem && error.status === 404) return false;
      if (from !== info.url && !signal.aborted && isNotGiven(error)) {
        // An upstream's failure keeps nothing else from the folder.
        trouble(`${path}: ${(error as Error).message}`);
        return false;
      }
      if (!(error instanceof FormatError) && (error as Error).name !== 'Refused') throw error;
      trouble(`${path}: ${(error as Error).message}`, path);
      return false;
    }
  }

  /** Narinfos of items and of all that they refer to and the folder lacks; `undefined` if these are more than anything has. */
  async function discover(wanted: readonly string[]): Promise<Map<string, CachedItem> | undefined> {
    const found = new Map<string, CachedItem>();
    const asked = new Set(wanted);
    let bytes = 0;
    for (let pending: readonly string[] = wanted; pending.length > 0; ) {
      if (asked.size > most.narinfos || bytes > most.bytes) return undefined;
      const next: string[] = [];
      const look = async (path: string): Promise<void> => {
        if (asked.size > most.narinfos || bytes > most.bytes) return;
        const item = await narinfoOf(path);
        if (item === undefined) return;
        bytes += item.text.length;
        found.set(item.path, item);
        for (const reference of item.info.references)
          if (folder.get(reference) === undefined && !asked.has(reference)) {
            asked.add(reference);
            next.push(reference);
          }
      };
      await allOf(pending.map(look));
      pending = next;
    }
    return found;
  }

  async function bringAll(wanted: readonly string[]): Promise<void> {
    if (wanted.length === 0) return;
    const found = await discover(wanted);
    if (found !== undefined) return publishAll(found);
    const [first = ''] = wanted;
    if (wanted.length === 1) {
      endless.add(first);
      return trouble(
        `${first}: expected an item with at most ${most.narinfos} others that it refers to, directly or not, got one with more: it is left out`,
      );
    }
    // Which of them it is; the others are brought.
    const half = wanted.length >> 1;
    await bringAll(wanted.slice(0, half));
    await bringAll(wanted.slice(half).filter((path) => folder.get(path) === undefined));
  }

  async function publishAll(found: ReadonlyMap<string, CachedItem>): Promise<void> {
    const dependents = new Map<string, string[]>();
    for (const { path, info } of found.values())
      for (const reference of info.references) {
        const known = dependents.get(reference);
        if (known) known.push(path);
        else dependents.set(reference, [path]);
      }
    const ready = new Set<string>();
    const isClosed = ({ path, info }: CachedItem): boolean =>
      info.references.every((reference) => reference === path || folder.get(reference) !== undefined);

    /** Publishes an item whose NAR is there, and then those that waited for nothing else. */
    async function publish(start: string): Promise<void> {
      const next = [start];
      for (const path of next) {
        const item = found.get(path);
        if (item === undefined || !ready.has(path) || folder.get(path) !== undefined || !isClosed(item)) continue;
        await folder.publish(item);
        waiting.delete(path);
        next.push(...(dependents.get(path) ?? []));
        published(path);
      }
    }
    // One at a time: two that are published side by side would each not see the other.
    let publishing = Promise.resolve();
    await allOf(
      Array.from(found.values(), async (item) => {
        if (!(await bringNar(item))) return;
        ready.add(item.path);
        publishing = publishing.then(() => publish(item.path));
        await publishing;
      }),
    );
  }

  async function mendOne(path: string): Promise<boolean> {
    const item = folder.get(path);
    if (item === undefined || (await limit(() => folder.isWhole(item)))) return false;
    trouble(`${path}: its files in ${folder.path} are not whole; they are had again`);
    waiting.add(path);
    await keepWaiting();
    await withdraw(path);
    return true;
  }

  return {
    narinfoOf,
    withdraw,
    mendOne,
    tryAgain: (path) => void endless.delete(path),
    async bring(wanted) {
      await bringAll([...wanted].filter((path) => folder.get(path) === undefined && !endless.has(path)));
      for (const path of wanted)
        if (folder.get(path) === undefined && !foreign.has(path)) waiting.add(path);
        // What an earlier run published just before it ended.
        else waiting.delete(path);
      foreign.clear();
    },
    async mend() {
      for (const hashPart of folder.damaged) {
        trouble(`${hashPart}.narinfo was damaged and is set aside as ${hashPart}.narinfo.damaged; it is fetched again`);
        const item = await narinfoAt(hashPart);
        if (item !== undefined) waiting.add(item.path);
      }
      // They are set aside already.
      if (folder.damaged.length > 0) await keepWaiting();
      const notWhole: string[] = [];
      const look = async (item: CachedItem): Promise<void> => {
        if (!(await limit(() => folder.isWhole(item)))) notWhole.push(item.path);
      };
      await allOf(Array.from(folder.all(), look));
      for (const path of notWhole) await mendOne(path);
      for (const path of folder.dangling()) {
        waiting.add(path);
        await withdraw(path);
      }
    },
  };
}

/** An upstream that does not give a NAR, or breaks off. */
function isNotGiven(error: unknown): boolean {
  return (error instanceof DroverProblem && error.code === 'upstream-failed') || error instanceof DroverUnreachable;
}

/** Waits for all, also where one fails: what goes on in the background would meet the next try. */
async function allOf(work: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) if (result.status === 'rejected') throw result.reason;
}

function isSigned({ info }: CachedItem, keys: readonly string[]): boolean {
  const text = fingerprint(info);
  return keys.some((key) => info.signatures.some((signature) => verify(key, text, signature)));
}

function notSigned({ info }: CachedItem, keys: readonly string[]): string {
  const names = new Set(keys.map(nameOf));
  const same = info.signatures.map(nameOf).find((name) => names.has(name));
  // Keys that nobody gave a name are all called as the first start calls them.
  const got = same === undefined ? '' : `, got one by another key of the name ${same}`;
  return `expected a signature by one of ${[...names].join(', ')}${got}`;
}

const nameOf = (key: string): string => key.slice(0, key.indexOf(':'));
