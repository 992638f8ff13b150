import type { Category } from '../../domain/events.ts';
import { createFarm, type Farm } from '../../projections/farm.ts';
import { readChain } from '../audit/chain.ts';
import { knownTree } from '../audit/known-tree.ts';
import { DroverError } from '../errors.ts';
import type { ChainState, EventStore, Position, StoredEvent } from '../ports/event-store.ts';
import type { LogMark } from '../ports/log-mark.ts';
import type { FoldedTo, Snapshot, Snapshots } from '../ports/snapshots.ts';
import { unwatched, type Work } from '../ports/work.ts';
import { decodeEvent } from './event-codec.ts';
import { isInLog } from './log-mark.ts';

export interface Recovered {
  readonly farm: Farm;
  /** `undefined` for a log without events. */
  readonly foldedTo: FoldedTo | undefined;
  readonly position: Position | undefined;
  /** Of all commits. */
  readonly chain: ChainState;
  readonly events: number;
  /** Those of them that came after the snapshot. */
  readonly replayed: number;
  readonly unknown: number;
  readonly firstUnknown: string | undefined;
  /** The newest commits, from one position to another, where they carry no hash of the one before them and older ones do. */
  readonly unlinked: { readonly from: Position; readonly to: Position } | undefined;
}

export interface RecoveryOptions {
  readonly work?: Work | undefined;
  /** One that has folded nothing, or all up to `from`. */
  readonly farm?: Farm;
  /** What the farm has folded, as {@link loaded} gives it. */
  readonly from?: FoldedTo | undefined;
  /** Stops at the first whole commit after so many events, those of the snapshot included. */
  readonly upTo?: number;
}

/**
 * Folds the log: all of it, or what comes after what a farm has folded.
 *
 * @param expectedDir the store directory that its submissions have to be for; that of the first of them if absent.
 */
export async function recover(
  store: Pick<EventStore, 'read' | 'readAll'>,
  expectedDir: string | undefined,
  { work = unwatched, farm = createFarm(), from, upTo = Number.POSITIVE_INFINITY }: RecoveryOptions = {},
): Promise<Recovered> {
  let mark: LogMark | undefined = from?.mark;
  let { events, unknown, firstUnknown, hasLinks, unlinkedFrom } = from ?? {
    events: 0,
    unknown: 0,
    firstUnknown: undefined,
    hasLinks: false,
    unlinkedFrom: undefined,
  };
  // The newest checkpoint may cover more than what is read.
  const known = from === undefined && upTo === Number.POSITIVE_INFINITY ? await knownTree(store) : from?.chain;
  const commits = readChain(known, from?.chain);
  const dirs: StoreDirs = { expected: expectedDir ?? from?.storeDir, named: from?.storeDir };
  let position = mark?.position;
  reading: for await (const batch of store.readAll(position === undefined ? {} : { after: position })) {
    for (const stored of batch.events) {
      if (stored.commit !== mark?.commit) {
        if (events >= upTo) break reading;
        hasLinks ||= stored.previousHash !== undefined;
        if (stored.previousHash !== undefined) unlinkedFrom = undefined;
        else if (hasLinks) unlinkedFrom ??= stored.position;
      }
      events++;
      commits.add(stored);
      const { stream, revision, commit } = stored;
      mark = { stream, revision, commit, position: stored.position };
      work.at('event', `${stream}@${revision} at ${stored.position}`);
      const problem = foldEvent(farm, stored, dirs);
      if (problem === undefined) continue;
      unknown++;
      firstUnknown ??= `${stream}@${revision}: ${problem}`;
    }
    position = batch.checkpoint;
  }
  const chain = commits.end();
  return {
    farm,
    foldedTo: mark && { mark, chain, events, unknown, firstUnknown, hasLinks, unlinkedFrom, storeDir: dirs.named },
    position,
    chain,
    events,
    replayed: events - (from?.events ?? 0),
    unknown,
    firstUnknown,
    unlinked: unlinkedFrom !== undefined && position !== undefined ? { from: unlinkedFrom, to: position } : undefined,
  };
}

export interface Loaded {
  /** It knows what the snapshot says. */
  readonly farm: Farm;
  readonly foldedTo: FoldedTo;
  /** Of the snapshot. */
  readonly name: string;
}

export interface LoadOptions {
  /** Gives farms that have folded nothing. */
  readonly emptyFarm?: () => Farm;
  /** The last event that it may have folded: all if absent. */
  readonly upTo?: Position;
  /** Told of a snapshot that is of another log, as where a backup was restored; and of one that cannot be loaded, and why. */
  ofAnother?(name: string): void;
  unusable?(error: unknown, name: string): void;
}

/**
 * The snapshots of this log, loaded, the newest first: to begin with the first of them, or the next where that turns out to be of no use.
 *
 * @param storeDir what they have to be made for; anything if absent.
 */
export async function* loaded(
  log: Pick<EventStore, 'read'>,
  storeDir: string | undefined,
  snapshots: Snapshots,
  { emptyFarm = createFarm, upTo, ofAnother, unusable }: LoadOptions = {},
): AsyncGenerator<Loaded> {
  for await (const snapshot of snapshots.newest()) {
    const { name, foldedTo } = snapshot;
    if (upTo !== undefined && foldedTo.mark.position > upTo) continue;
    if (!(await isInLog(log, foldedTo.mark))) {
      ofAnother?.(name);
      continue;
    }
    const farm = emptyFarm();
    try {
      await loadSnapshot(farm, snapshot, storeDir);
    } catch (error) {
      unusable?.(error, name);
      continue;
    }
    yield { farm, foldedTo, name };
  }
}

/** Folds the log: what comes after the newest snapshot that can be gone on from, or all of it. */
export async function recoverFromNewest(
  store: Pick<EventStore, 'read' | 'readAll'>,
  storeDir: string | undefined,
  snapshots: Snapshots,
  { work, emptyFarm = createFarm, ...told }: Omit<LoadOptions, 'upTo'> & Pick<RecoveryOptions, 'work'> = {},
): Promise<Recovered & { readonly snapshot?: string }> {
  for await (const { farm, foldedTo, name } of loaded(store, storeDir, snapshots, { emptyFarm, ...told }))
    try {
      return { ...(await recover(store, storeDir, { work, farm, from: foldedTo })), snapshot: name };
    } catch (error) {
      // The whole log says whether it was the snapshot.
      told.unusable?.(error, name);
    }
  return recover(store, storeDir, { work, farm: emptyFarm() });
}

async function loadSnapshot(farm: Farm, { parts, foldedTo }: Snapshot, storeDir?: string): Promise<void> {
  if (foldedTo.storeDir !== undefined) isFor(storeDir, foldedTo.storeDir);
  const names = [...farm.parts.keys()];
  let count = 0;
  for await (const [part, saved] of parts) {
    const expected = names[count++];
    if (part !== expected) throw new Error(`expected ${expected ?? 'no more parts'}, got ${part}`);
    farm.parts.get(part)?.load(saved);
  }
  if (count < names.length) throw new Error(`${names[count]} is missing`);
}

interface StoreDirs {
  /** What submissions have to be for; anything before the first of them if absent. */
  expected: string | undefined;
  /** What they are for. */
  named: string | undefined;
}

function isFor(expected: string | undefined, named: string): void {
  if (expected === undefined || expected === named) return;
  throw new DroverError(
    'invalid-request',
    `storeDir: expected ${named}, which this data was made for, got ${expected}`,
  );
}

/**
 * Folds one event of the log, the next one. Gives what is not known of it, if that is so: then it counts as a revision and changes nothing.
 *
 * @param dirs the store directory that the log is for; not looked at if absent.
 */
export function foldEvent(farm: Farm, stored: StoredEvent, dirs?: StoreDirs): string | undefined {
  const event = decodeEvent(stored);
  const dash = stored.stream.indexOf('-');
  const category = stored.stream.slice(0, dash) as Category;
  const id = stored.stream.slice(dash + 1);
  if (!event.known) {
    farm.pass(category, id, stored.revision);
    return event.problem;
  }
  if (dirs !== undefined && event.type === 'SubmissionReceived') {
    isFor(dirs.expected, event.data.storeDir);
    dirs.expected = dirs.named = event.data.storeDir;
  }
  const { revision, at, meta } = stored;
  farm.apply(category, id, event, revision, at, meta.correlation, meta.trace, meta.actor);
  return undefined;
}
