import { rename } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import type { Drover } from '../../client/drover.ts';
import { DroverProblem, DroverUnreachable, isPassing } from '../../client/errors.ts';
import { fingerprint } from '../../domain/store/fingerprint.ts';
import { FormatError } from '../../domain/store/format-error.ts';
import { verify } from '../../domain/store/signature.ts';
import { createLimit } from '../runtime/limit.ts';
import { type CachedItem, cachedItem, openCacheFolder } from './cache-folder.ts';
import { fetchNar, partOf } from './fetch-nar.ts';
import { readMirrorState, writeMirrorState } from './mirror-state.ts';
import { readSmall } from './read-small.ts';

export interface MirrorOptions {
  readonly drover: Drover;
  readonly folder: string;
  /** Public keys: an item has to be signed by one of them. Absent: signatures are not looked at. */
  readonly keys?: readonly string[];
  /** Which items are wanted, by base name; what they refer to comes with them. */
  readonly wants: (path: string) => boolean;
  /** NARs that are fetched at a time. */
  readonly connections: number;
  readonly signal: AbortSignal;
  /** How long a mirror that runs once waits for a coordinator that does not answer, in milliseconds; a minute if absent. */
  readonly patienceMs?: number;
  /** Told of how far it is. */
  readonly progress: (state: MirrorProgress) => void;
  /** Told of what goes wrong: an item that is not what it should be, a coordinator that is away. */
  readonly trouble: (message: string) => void;
}

export interface MirrorProgress {
  /** Items that are wanted, as far as the log was read. */
  readonly wanted: number;
  /** Of these, in the folder. */
  readonly published: number;
  /** Bytes that came over the network so far. */
  readonly bytes: number;
}

export interface Mirror {
  /** Follows the log; with `once` up to its head. Resolves with the items that are wanted and could not be had. */
  run(once: boolean): Promise<readonly string[]>;
}

/** Events of so many items are worked on at a time. */
const batchSize = 1000;
const shortestPause = 500;
const longestPause = 15_000;

/**
 * A folder that has what the coordinator's cache has, and follows it. Its place in the log moves on only after the consequences of events
 * are in the folder, so it can be ended at any moment. A narinfo is there only after its NAR and the narinfos of what it refers to, and
 * goes before them (I7).
 */
export async function openMirror(options: MirrorOptions): Promise<Mirror> {
  const { drover, keys, wants, signal, trouble } = options;
  const folder = await openCacheFolder(options.folder);
  const state = await readMirrorState(options.folder);
  /** Wanted, and not in the folder. */
  const waiting = new Set(state.waiting);
  const limit = createLimit(options.connections);
  let bytes = 0;
  /** Of the folder, as the log is read from its start once more: what it has not named so far. */
  let unnamed: Set<string> | undefined;
  let patience = Number.POSITIVE_INFINITY;
  /** When the coordinator did not answer first, where it has not answered since. */
  let silentSince: number | undefined;

  function tell(): void {
    const published = folder.size;
    options.progress({ wanted: published + waiting.size, published, bytes });
  }

  /** Says that there was no answer. Throws where that goes on for too long. */
  function lost(message: string): void {
    silentSince ??= performance.now();
    if (performance.now() - silentSince >= patience)
      throw new DroverUnreachable(`${message}; what is in ${folder.path} stays, and the next run goes on from there`);
    trouble(`${message}; trying again`);
  }

  /** What is asked again until there is an answer; a refusal is one. */
  async function answered<Result>(ask: () => Promise<Result>): Promise<Result> {
    for (let pause = shortestPause; ; pause = Math.min(2 * pause, longestPause)) {
      try {
        const answer = await ask();
        silentSince = undefined;
        return answer;
      } catch (error) {
        if (signal.aborted || !isPassing(error)) throw error;
        lost((error as Error).message);
        await sleep(pause, signal);
      }
    }
  }

  /** Begins anew where the log has lost the event that was read last, as after a restore of an older one. */
  async function findPlace(): Promise<void> {
    const { event: id, position } = state;
    if (id === undefined) return;
    try {
      const ask = async () => (await drover.request('GET', `/v1/events/${id}`, { signal })).json();
      if (((await answered(ask)) as { position?: unknown }).position === position) return;
    } catch (error) {
      if (!(error instanceof DroverProblem && error.code === 'unknown-event')) throw error;
    }
    trouble(`the log has lost ${id} at ${position}, which was read already: it is read again from its start`);
    state.position = undefined;
    state.event = undefined;
    waiting.clear();
    unnamed = new Set(Array.from(folder.all(), ({ path }) => path));
  }

  async function readBatch(): Promise<Changes> {
    const changes: Changes = new Map();
    const types = ['StoreItemAdded', 'StoreItemDeleted', 'StoreItemMissing'] as const;
    const from = state.position ?? 'start';
    for await (const event of drover.events({ from, types, follow: false, signal, onLost: lost })) {
      silentSince = undefined;
      state.source ??= event.source;
      if (state.source !== event.source)
        throw new Error(`${folder.path} mirrors ${state.source}, and the coordinator's log is ${event.source}`);
      changes.set(event.data.path, event.type === 'drover.StoreItemAdded');
      state.position = event.position;
      state.event = event.id;
      if (changes.size >= batchSize) break;
    }
    silentSince = undefined;
    return changes;
  }

  /** Takes an item out of the folder, and before it all that refers to it. */
  async function withdraw(start: string): Promise<void> {
    const order = [start];
    const seen = new Set(order);
    for (const path of order)
      for (const referrer of folder.referrersOf(path)) {
        if (seen.has(referrer)) continue;
        seen.add(referrer);
        order.push(referrer);
      }
    for (const path of order.reverse()) {
      if (folder.get(path) === undefined) continue;
      await folder.unpublish(path);
      // It is wanted still; the coordinator has it again once what it refers to is there.
      if (path !== start) waiting.add(path);
    }
  }

  /** The narinfo that the coordinator serves; `undefined` where it serves none, or a wrong one. */
  async function narinfoOf(path: string): Promise<CachedItem | undefined> {
    try {
      const ask = () => readSmall(drover, `/${path.slice(0, 32)}.narinfo`, signal);
      const item = cachedItem(await limit(() => answered(ask)));
      if (item.path !== path) throw new FormatError('malformed-narinfo', `expected that of ${path}, got ${item.path}`);
      if (keys !== undefined && !isSigned(item, keys))
        throw new FormatError('malformed-narinfo', `expected a signature by one of ${keys.map(nameOf).join(', ')}`);
      return item;
    } catch (error) {
      if (error instanceof DroverProblem && error.status === 404) return undefined;
      const isWrong = error instanceof DroverProblem && error.status === 200;
      if (!(error instanceof FormatError) && !isWrong) throw error;
      trouble(`${path}: ${(error as Error).message}`);
      return undefined;
    }
  }

  /** One after the other where items have the same NAR: it is fetched once. */
  const nars = new Map<string, Promise<boolean>>();
  function bringNar(item: CachedItem): Promise<boolean> {
    const { url } = item.info;
    const before = nars.get(url) ?? Promise.resolve(false);
    const brought = before.then(() => bringOwnNar(item)).finally(() => nars.get(url) === brought && nars.delete(url));
    nars.set(url, brought);
    return brought;
  }

  async function bringOwnNar({ path, info }: CachedItem): Promise<boolean> {
    const file = folder.narFile(info);
    try {
      if (await folder.hasNar(info)) return true;
      // What is there is looked at as what was fetched before.
      if (await folder.isNarUnknown(info)) await rename(file, partOf(file));
      await limit(() => answered(() => fetchNar(drover, info, file, signal, (more) => (bytes += more))));
      folder.broughtNar(info);
      return true;
    } catch (error) {
      if (error instanceof DroverProblem && error.status === 404) return false;
      if (!(error instanceof FormatError) && (error as Error).name !== 'Refused') throw error;
      trouble(`${path}: ${(error as Error).message}`);
      return false;
    }
  }

  /** Brings items, and what they refer to, into the folder; what cannot be had waits. */
  async function bring(wanted: ReadonlySet<string>): Promise<void> {
    const found = new Map<string, CachedItem>();
    let pending = [...wanted].filter((path) => folder.get(path) === undefined);
    const asked = new Set(pending);
    while (pending.length > 0) {
      const items = await Promise.all(pending.map(narinfoOf));
      pending = [];
      for (const item of items) {
        if (item === undefined) continue;
        found.set(item.path, item);
        for (const reference of item.info.references)
          if (folder.get(reference) === undefined && !asked.has(reference)) {
            asked.add(reference);
            pending.push(reference);
          }
      }
    }
    const dependents = new Map<string, string[]>();
    for (const { path, info } of found.values())
      for (const reference of info.references) dependents.set(reference, [...(dependents.get(reference) ?? []), path]);
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
        tell();
      }
    }
    // One at a time: two that are published side by side would each not see the other.
    let publishing = Promise.resolve();
    await Promise.all(
      Array.from(found.values(), async (item) => {
        if (!(await bringNar(item))) return;
        ready.add(item.path);
        publishing = publishing.then(() => publish(item.path));
        await publishing;
      }),
    );
    for (const path of wanted)
      if (folder.get(path) === undefined) waiting.add(path);
      // What an earlier run published just before it ended.
      else waiting.delete(path);
  }

  async function apply(changes: Changes): Promise<void> {
    for (const [path, added] of changes) {
      unnamed?.delete(path);
      const known = folder.get(path);
      if (added) {
        // Added again with other bytes, perhaps, while nobody looked.
        if (known !== undefined && (await narinfoOf(path))?.text !== known.text) await withdraw(path);
        if (wants(path)) waiting.add(path);
        continue;
      }
      waiting.delete(path);
      if (known !== undefined) await withdraw(path);
    }
    await bring(new Set(waiting));
    // Until all is read again, a restart has to find out anew that it has to be.
    if (unnamed === undefined) await writeMirrorState(folder.path, { ...state, waiting: [...waiting].sort() });
    tell();
  }

  return {
    async run(once) {
      if (once) patience = options.patienceMs ?? 60_000;
      await folder.writeCacheInfo(await answered(() => readSmall(drover, '/nix-cache-info', signal)));
      tell();
      while (!signal.aborted) {
        await findPlace();
        const changes = await readBatch();
        if (signal.aborted) break;
        if (changes.size === 0 && unnamed !== undefined) {
          // Only the lost end of the log had them.
          for (const path of unnamed) changes.set(path, false);
          unnamed = undefined;
          await apply(changes);
        } else if (changes.size > 0 || (once && waiting.size > 0)) await apply(changes);
        if (changes.size > 0) continue;
        await folder.sweep();
        if (once) break;
        await somethingHappens();
      }
      return [...waiting].sort();
    },
  };

  async function somethingHappens(): Promise<void> {
    const from = state.position ?? 'start';
    try {
      for await (const _ of drover.events({ from, streams: ['item-'] as const, signal, onLost: trouble })) return;
    } catch (error) {
      // Found out and mended before the next batch is read.
      if (!(error instanceof DroverProblem && error.code === 'position-ahead' && state.event !== undefined))
        throw error;
    }
  }
}

/** Base names of items, and whether they were added or went. */
type Changes = Map<string, boolean>;

function isSigned({ info }: CachedItem, keys: readonly string[]): boolean {
  const text = fingerprint(info);
  return keys.some((key) => info.signatures.some((signature) => verify(key, text, signature)));
}

const nameOf = (key: string): string => key.slice(0, key.indexOf(':'));

/** Ends early when the signal aborts. */
function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return pause(milliseconds, undefined, { signal }).catch(() => {});
}
