import type { Category } from '../../domain/events.ts';
import { createFarm, type Farm } from '../../projections/farm.ts';
import { readChain } from '../audit/chain.ts';
import { knownTree } from '../audit/known-tree.ts';
import type { ChainState, EventStore, Position, StoredEvent } from '../ports/event-store.ts';
import type { LogMark } from '../ports/log-mark.ts';
import type { FoldedTo, Snapshot } from '../ports/snapshots.ts';
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
  readonly work?: Work;
  /** One that has folded nothing. */
  readonly farm?: Farm;
  /** To begin with, instead of the first event. */
  readonly from?: Snapshot | undefined;
  /** Stops at the first whole commit after so many events, those of the snapshot included. */
  readonly upTo?: number;
}

/** Folds the log: all of it, or what comes after a snapshot of it. */
export async function recover(
  store: Pick<EventStore, 'read' | 'readAll'>,
  storeDir: string,
  { work = unwatched, farm = createFarm(), from, upTo = Number.POSITIVE_INFINITY }: RecoveryOptions = {},
): Promise<Recovered> {
  const before = from?.foldedTo;
  if (from) loadSnapshot(farm, from, storeDir);
  let mark: LogMark | undefined = before?.mark;
  let { events, unknown, firstUnknown, hasLinks, unlinkedFrom } = before ?? {
    events: 0,
    unknown: 0,
    firstUnknown: undefined,
    hasLinks: false,
    unlinkedFrom: undefined,
  };
  // The newest checkpoint may cover more than what is read.
  const known = before === undefined && upTo === Number.POSITIVE_INFINITY ? await knownTree(store) : before?.chain;
  const commits = readChain(known, before?.chain);
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
      const problem = foldEvent(farm, stored, storeDir);
      if (problem === undefined) continue;
      unknown++;
      firstUnknown ??= `${stream}@${revision}: ${problem}`;
    }
    position = batch.checkpoint;
  }
  const chain = commits.end();
  return {
    farm,
    foldedTo: mark && { mark, chain, events, unknown, firstUnknown, hasLinks, unlinkedFrom, storeDir },
    position,
    chain,
    events,
    replayed: events - (before?.events ?? 0),
    unknown,
    firstUnknown,
    unlinked: unlinkedFrom !== undefined && position !== undefined ? { from: unlinkedFrom, to: position } : undefined,
  };
}

/** Whether the snapshot is one of this log: a folder that was restored from a backup may have one of what was lost. */
export function isOfLog(store: Pick<EventStore, 'read'>, { foldedTo: { mark } }: Snapshot): Promise<boolean> {
  return isInLog(store, mark);
}

/** @param farm one that has folded nothing; it is of no use any more where this throws. */
export function loadSnapshot(farm: Farm, { parts, foldedTo, name }: Snapshot, storeDir: string): void {
  if (foldedTo.storeDir !== storeDir)
    throw new Error(`storeDir: expected ${foldedTo.storeDir}, which ${name} was made for, got ${storeDir}`);
  const lacking = [...farm.parts.keys()].find((part) => !parts.has(part));
  const beyond = [...parts.keys()].find((part) => !farm.parts.has(part));
  if (lacking !== undefined || beyond !== undefined)
    throw new Error(`${name}: ${lacking === undefined ? `${beyond} is not known` : `${lacking} is missing`}`);
  for (const [part, { load }] of farm.parts) load(parts.get(part));
}

/**
 * Folds one event of the log, the next one. Gives what is not known of it, if that is so: then it counts as a revision and changes nothing.
 *
 * @param storeDir what the log has to be made for; anything if absent.
 */
export function foldEvent(farm: Farm, stored: StoredEvent, storeDir?: string): string | undefined {
  const event = decodeEvent(stored);
  const dash = stored.stream.indexOf('-');
  const category = stored.stream.slice(0, dash) as Category;
  const id = stored.stream.slice(dash + 1);
  if (!event.known) {
    farm.pass(category, id, stored.revision);
    return event.problem;
  }
  if (storeDir !== undefined && event.type === 'SubmissionReceived' && event.data.storeDir !== storeDir)
    throw new Error(`storeDir: expected ${event.data.storeDir}, which this data was made for, got ${storeDir}`);
  const { revision, at, meta } = stored;
  farm.apply(category, id, event, revision, at, meta.correlation, meta.trace, meta.actor);
  return undefined;
}
