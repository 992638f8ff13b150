import { setTimeout as pause } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Drover } from '../../client/drover.ts';
import { DroverProblem, DroverUnreachable, isPassing } from '../../client/errors.ts';
import type { DroverEvent } from '../../client/events.ts';
import type { ClosureLimit } from '../../domain/limits.ts';
import type { NarInfo } from '../../domain/store/narinfo.ts';
import { createLimit } from '../runtime/limit.ts';
import type { Difference } from './compare.ts';
import { createFilling } from './filling.ts';
import { FolderError } from './folder-error.ts';
import { type FolderForm, openFolder } from './folder-form.ts';
import { lockCacheFolder } from './folder-lock.ts';
import { createLeaving, longestTimer } from './leaving.ts';
import { makeFolder } from './make-folder.ts';
import { type MirrorState, readMirrorState, writeMirrorState } from './mirror-state.ts';
import { findServedCache, type ServedCache } from './served-cache.ts';
import { createSleepers } from './sleepers.ts';

export interface MirrorOptions {
  readonly drover: Drover;
  readonly folder: string;
  /** Public keys: an item has to be signed by one of them. Absent: signatures are not looked at. */
  readonly keys?: readonly string[];
  /** Which items are wanted, by base name; what they refer to comes with them. */
  readonly wants: (path: string) => boolean;
  /** Of its NARs, where the folder is to be in the layout of guix publish, of what is of /gnu/store; a plain cache of what is of the coordinator's first store directory if absent. */
  readonly compressions?: FolderForm['compressions'];
  /** NARs that are fetched at a time. */
  readonly connections: number;
  readonly signal: AbortSignal;
  /** How long a mirror that runs once waits for a coordinator that does not answer, in milliseconds; a minute if absent. */
  readonly patienceMs?: number;
  readonly most?: ClosureLimit;
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

/** Nobody else writes to the folder until it is disposed of. */
export interface Mirror extends Disposable {
  /** Follows the log; with `once` up to its head. Resolves with the items that are wanted and could not be had. */
  run(once: boolean): Promise<readonly string[]>;
  /** Takes out what differs from the coordinator's cache; the next run brings what is to be there. */
  repair(differences: readonly Difference[]): Promise<void>;
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
  await makeFolder(options.folder);
  using opening = new DisposableStack();
  opening.use(lockCacheFolder(options.folder));
  const folder = await openFolder(options.folder, options);
  const state = await readMirrorState(options.folder, 'the log is read from its start once more', trouble);
  /** Wanted, and not in the folder. */
  const waiting = new Set(state.waiting);
  const leaving = createLeaving(state.leaving);
  /** What items that wait refer to beside themselves, as far as events or the folder said. */
  const references = new Map<string, readonly string[]>();
  const sleepers = createSleepers();
  const limit = createLimit(options.connections);
  /** Hash parts for which the coordinator served nothing, of those asked for last. */
  const unserved = new Set<string>();
  /** What came into the folder since it was looked at last. */
  const came: string[] = [];
  /** As it is in the folder's file: up to here all consequences of the log are in the folder. */
  let kept: MirrorState = { ...state };
  let bytes = 0;
  /** Of the folder, as the log is read from its start once more: what it has not named so far. */
  let unnamed: Set<string> | undefined;
  let patience = Number.POSITIVE_INFINITY;
  /** When the coordinator did not answer first, where it has not answered since. */
  let silentSince: number | undefined;
  /** What was said of that last. */
  let told: string | undefined;
  let isItsLog = state.source === undefined;
  /** Found with the start of a run. */
  let cache: ServedCache | undefined;
  const filling = createFilling({
    folder,
    source: { narinfo, nars: drover },
    keys,
    connections: options.connections,
    waiting,
    leaving,
    keepWaiting,
    signal,
    answered,
    received(more) {
      bytes += more;
    },
    published(path) {
      came.push(path);
      tell();
    },
    withdrawn: ({ path, info }) => learn(path, info.references),
    trouble,
    ...(options.most && { most: options.most }),
  });

  function learn(path: string, all: readonly string[]): void {
    references.set(
      path,
      all.filter((reference) => reference !== path),
    );
  }

  /** At the place that is kept: what comes after it is read again. */
  async function keepWaiting(): Promise<void> {
    // Read from its start once more, the log names all that is to be here.
    await keep(unnamed === undefined ? { ...kept, waiting: [...waiting].sort() } : kept);
  }

  async function keep({ leaving: _, ...place }: MirrorState): Promise<void> {
    const left = leaving.entries();
    const next = { ...place, ...(left && { leaving: left }) };
    if (isDeepStrictEqual(next, kept)) return;
    await writeMirrorState(folder.path, next);
    kept = next;
  }

  function tell(): void {
    const published = folder.size;
    options.progress({ wanted: published + waiting.size, published, bytes });
  }

  function heard(): void {
    silentSince = undefined;
    told = undefined;
  }

  /** Says that there was no answer, once for each reason: it may be so for days. Throws where that goes on for too long. */
  function lost(message: string): void {
    silentSince ??= performance.now();
    if (performance.now() - silentSince >= patience)
      throw new DroverUnreachable(`${message}; what is in ${folder.path} stays, and the next run goes on from there`);
    if (message !== told) trouble(`${message}; trying again`);
    told = message;
  }

  /** What is asked again until there is an answer; a refusal is one. */
  async function answered<Result>(ask: () => Promise<Result>): Promise<Result> {
    for (let pause = shortestPause; ; pause = Math.min(2 * pause, longestPause)) {
      try {
        const answer = await ask();
        heard();
        return answer;
      } catch (error) {
        if (signal.aborted || !isPassing(error)) throw error;
        lost((error as Error).message);
        await sleep(Math.max(pause, (error as { retryAfter?: number }).retryAfter ?? 0), signal);
      }
    }
  }

  async function sweep(): Promise<void> {
    await folder.sweep(leaving.current());
    await keepWaiting();
  }

  async function narinfo(hashPart: string): Promise<string | undefined> {
    try {
      return await cache?.narinfo(hashPart, signal);
    } catch (error) {
      if (!(error instanceof DroverProblem && error.status === 404)) throw error;
      unserved.add(hashPart);
      return undefined;
    }
  }

  function expectSource(source: string): void {
    state.source ??= source;
    if (state.source !== source)
      throw new FolderError(`${folder.path} mirrors ${state.source}, and the coordinator's log is ${source}`);
    isItsLog = true;
  }

  /** Another log than the one that is mirrored says nothing of what is in the folder. */
  async function expectItsLog(): Promise<void> {
    if (isItsLog) return;
    for await (const { source } of drover.events({ from: 'start', follow: false, signal, onLost: lost }))
      return expectSource(source);
    if (!signal.aborted)
      throw new FolderError(`${folder.path} mirrors ${state.source}, and the coordinator's log is empty`);
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
    references.clear();
    sleepers.clear();
    unnamed = new Set(Array.from(folder.all(), ({ path }) => path));
  }

  function take(event: ItemEvent, changes: Changes): void {
    heard();
    expectSource(event.source);
    state.position = event.position;
    state.event = event.id;
    if (isForeign(event)) return;
    const { path } = event.data;
    const before = changes.get(path);
    if (event.type === 'drover.StoreItemFoundUpstream') {
      const { narHash, signatures } = event.data;
      changes.set(path, { staysMs: 0, ...before, found: { narHash, signatures } });
    } else {
      const added = event.type === 'drover.StoreItemAdded' ? event.data.references : undefined;
      const staysMs = event.type === 'drover.StoreItemUnpublished' ? event.data.until - Date.parse(event.time) : 0;
      changes.set(path, { pool: { added }, staysMs: Math.max(staysMs, before?.staysMs ?? 0) });
    }
  }

  /** What was added of another store directory; upstreams are of the first. */
  const isForeign = ({ type, data }: ItemEvent): boolean =>
    (type === 'drover.StoreItemAdded' || type === 'drover.StoreItemFoundUpstream') && cache?.isOf(data) === false;

  async function readBatch(): Promise<Changes> {
    const changes: Changes = new Map();
    const from = state.position ?? 'start';
    for await (const event of drover.events({ from, types, follow: false, signal, onLost: lost })) {
      take(event, changes);
      if (changes.size >= batchSize) break;
    }
    heard();
    return changes;
  }

  async function apply(changes: Changes): Promise<void> {
    const trying = new Set<string>();
    for (const [path, { pool, found, staysMs }] of changes) {
      unnamed?.delete(path);
      filling.tryAgain(path);
      sleepers.delete(path);
      const known = folder.get(path);
      if (pool !== undefined && pool.added === undefined) {
        waiting.delete(path);
        if (known !== undefined) await filling.withdraw(path, staysMs);
      } else if (known !== undefined && (pool !== undefined || !isSaid(known.info, found))) {
        // Added again with other bytes, perhaps, while nobody looked.
        if ((await filling.narinfoOf(path))?.text !== known.text) await filling.withdraw(path, staysMs);
      }
      if (pool?.added !== undefined) {
        if (wants(path)) waiting.add(path);
        if (waiting.has(path)) learn(path, pool.added);
      }
      if (pool?.added === undefined && found === undefined) continue;
      for (const referrer of sleepers.wake(path)) trying.add(referrer);
    }
    for (const path of waiting) if (!sleepers.has(path)) trying.add(path);
    await bringAll(trying);
    // Until all is read again, a restart has to find out anew that it has to be.
    if (unnamed === undefined) await keep({ ...state, waiting: [...waiting].sort() });
    tell();
  }

  /** Brings items, and then those that waited for nothing else. */
  async function bringAll(wanted: ReadonlySet<string>): Promise<void> {
    for (let trying = wanted; trying.size > 0; ) {
      unserved.clear();
      await filling.bring(trying);
      const absent = [...trying].filter((path) => unserved.has(path.slice(0, 32)));
      await Promise.all(absent.flatMap((path) => (references.has(path) ? [] : [limit(() => askFor(path))])));
      for (const path of absent) {
        const known = references.get(path);
        if (known === undefined) continue;
        // Where it lacks nothing that can be seen, what it lacked has come already, or the event is on its way that says what goes.
        if (known.every(tellsOfItself) && !known.every(isHere)) sleepers.add(path, known);
      }
      trying = new Set(came.splice(0).flatMap(sleepers.wake));
    }
    for (const path of references.keys()) if (!waiting.has(path)) references.delete(path);
  }

  /** What an item refers to that waited before this run. */
  async function askFor(path: string): Promise<void> {
    try {
      const item = await answered(() => drover.getItem({ item: path }));
      learn(path, item.references);
      // Of another store directory, by an older version.
      if (cache?.isOf(item) === false) waiting.delete(path);
    } catch (error) {
      if (!(error instanceof DroverProblem && error.status === 404)) throw error;
    }
  }

  /** Whether it is heard of when the item comes: from an event, or as it is published after it has waited. */
  const tellsOfItself = (path: string): boolean => isHere(path) || waiting.has(path) || wants(path);
  const isHere = (path: string): boolean => folder.get(path) !== undefined;

  /** Does it; a mirror that goes on waits for room on a full disk. */
  async function withRoom(once: boolean, work: () => Promise<void>): Promise<void> {
    let full: string | undefined;
    for (;;) {
      try {
        return await work();
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        if (signal.aborted || (code !== 'ENOSPC' && code !== 'EDQUOT')) throw error;
        const problem = `there is no room for ${folder.path}: ${message}`;
        if (once)
          throw new FolderError(`${problem}; what is there stays, and the next run goes on from there`, {
            cause: error,
          });
        if (problem !== full) trouble(`${problem}; trying again`);
        full = problem;
        await sleep(longestPause, signal);
        if (signal.aborted) return;
      }
    }
  }

  const owned = opening.move();
  return {
    async run(once) {
      if (once) patience = options.patienceMs ?? 60_000;
      await expectItsLog();
      if (signal.aborted) return [];
      const found = await answered(() => findServedCache(drover, options.compressions !== undefined, signal));
      cache = found;
      await withRoom(once, () => folder.writeCacheInfo(found.info));
      await filling.mend();
      let isFresh = true;
      let pause = shortestPause;
      tell();
      while (!signal.aborted) {
        await findPlace();
        const changes = await readBatch();
        if (signal.aborted) break;
        if (changes.size === 0 && unnamed !== undefined) {
          // Only the lost end of the log had them.
          for (const path of unnamed) changes.set(path, { pool: { added: undefined }, staysMs: 0 });
          unnamed = undefined;
          await withRoom(once, () => apply(changes));
          // What an earlier run could not have is there now, perhaps.
        } else if (changes.size > 0 || (isFresh && waiting.size > 0)) await withRoom(once, () => apply(changes));
        isFresh = false;
        if (changes.size > 0) continue;
        await withRoom(once, sweep);
        if (once) break;
        const since = performance.now();
        await follow();
        pause = performance.now() - since > longestPause ? shortestPause : Math.min(2 * pause, longestPause);
        await sleep(pause, signal);
      }
      return [...waiting].sort();
    },
    async repair(differences) {
      await expectItsLog();
      const damaged = differences.flatMap(({ item, kind }) => (kind === 'nar' ? [folder.get(item)?.info] : []));
      for (const { item, kind } of differences) {
        await filling.withdraw(item);
        if (kind !== 'extra') waiting.add(item);
      }
      for (const info of damaged) if (info !== undefined) await folder.removeNar(info);
    },
    [Symbol.dispose]: () => owned.dispose(),
  };

  /** Takes in what comes, on one connection, until that is lost: then the log may be another. */
  async function follow(): Promise<void> {
    const ending = new AbortController();
    const from = state.position ?? 'start';
    const both = AbortSignal.any([signal, ending.signal]);
    // Who asks for the place next says so where nobody answers.
    const events = drover.events({ from, types, signal: both, onLost: () => ending.abort() });
    let next = coming();
    try {
      for (;;) {
        const first = await nextOrSwept(next);
        if (first.done || signal.aborted) return;
        const changes: Changes = new Map();
        let one: IteratorResult<ItemEvent, void> | undefined = first;
        while (one !== undefined && !one.done) {
          take(one.value, changes);
          next = coming();
          one = changes.size < batchSize ? await Promise.race([next, nothingYet()]) : undefined;
        }
        await withRoom(false, () => apply(changes));
        await withRoom(false, sweep);
      }
    } catch (error) {
      // Found out and mended before the next batch is read.
      if (!(error instanceof DroverProblem && error.code === 'position-ahead' && state.event !== undefined))
        throw error;
    } finally {
      ending.abort();
      await events.return(undefined).catch(() => undefined);
    }

    /** The next that comes; files of NARs go meanwhile when their time is over. */
    async function nextOrSwept<Result>(coming: Promise<Result>): Promise<Result> {
      for (let wait = leaving.nextMs(); wait !== undefined; wait = leaving.nextMs()) {
        const ended = new AbortController();
        const timer = sleep(Math.min(wait, longestTimer), AbortSignal.any([both, ended.signal])).then(() => undefined);
        const first = await Promise.race([coming.then((value) => ({ value })), timer]).finally(() => ended.abort());
        if (first !== undefined) return first.value;
        if (both.aborted) break;
        await withRoom(false, sweep);
      }
      return coming;
    }

    function coming() {
      const one = events.next();
      // It may fail while nobody waits for it, and is waited for later.
      one.catch(() => undefined);
      return one;
    }
  }
}

const types = [
  'StoreItemAdded',
  'StoreItemUnpublished',
  'StoreItemDeleted',
  'StoreItemMissing',
  'StoreItemFoundUpstream',
] as const;
type ItemEvent = DroverEvent<(typeof types)[number]>;

type Said = Pick<NarInfo, 'narHash' | 'signatures'>;

/** Whether it is what an upstream says of it each time that it is asked. */
function isSaid(info: NarInfo, said: Said | undefined): boolean {
  return info.narHash === said?.narHash && isDeepStrictEqual(info.signatures, said.signatures);
}

/** Resolves in the next turn of the event loop. */
const nothingYet = (): Promise<undefined> => new Promise((resolve) => void setImmediate(resolve, undefined));

/** By base names of items, what became of them. */
type Changes = Map<
  string,
  {
    /** What came of them in the pool: what they refer to where they were added; `undefined` where they went. Absent: nothing. */
    readonly pool?: { readonly added: readonly string[] | undefined };
    /** What an upstream was found to have after that. */
    readonly found?: Said;
    /** How long their NARs are to stay for clients that have their narinfos, in milliseconds. */
    readonly staysMs: number;
  }
>;

/** Ends early when the signal aborts. */
function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return pause(milliseconds, undefined, { signal }).catch(() => {});
}
