import type { Category } from '../../domain/events.ts';
import { createFarm, type Farm } from '../../projections/farm.ts';
import { readChain } from '../audit/chain.ts';
import { knownTree } from '../audit/known-tree.ts';
import type { ChainState, EventStore, Position, StoredEvent } from '../ports/event-store.ts';
import { unwatched, type Work } from '../ports/work.ts';
import { decodeEvent } from './event-codec.ts';

export interface Recovered {
  readonly farm: Farm;
  readonly position: Position | undefined;
  /** Of all commits. */
  readonly chain: ChainState;
  readonly events: number;
  /** Events of types or versions that this program does not know; they count as revisions and changed nothing else. */
  readonly unknown: number;
  /** The first of them, and what is not known of it, for the log. */
  readonly firstUnknown: string | undefined;
  /** The newest commits, from one position to another, where they carry no hash of the one before them and older ones do. */
  readonly unlinked: { readonly from: Position; readonly to: Position } | undefined;
}

/** Folds the whole log, into a farm that has seen nothing yet. */
export async function recover(
  store: EventStore,
  storeDir: string,
  work: Work = unwatched,
  farm: Farm = createFarm(),
): Promise<Recovered> {
  let position: Position | undefined;
  let events = 0;
  let unknown = 0;
  let firstUnknown: string | undefined;
  let hasLinks = false;
  let unlinkedFrom: Position | undefined;
  let commit: string | undefined;
  const commits = readChain(await knownTree(store));
  for await (const batch of store.readAll()) {
    for (const stored of batch.events) {
      events++;
      commits.add(stored);
      if (stored.commit !== commit) {
        commit = stored.commit;
        hasLinks ||= stored.previousHash !== undefined;
        if (stored.previousHash !== undefined) unlinkedFrom = undefined;
        else if (hasLinks) unlinkedFrom ??= stored.position;
      }
      work.at('event', `${stored.stream}@${stored.revision} at ${stored.position}`);
      const problem = foldEvent(farm, stored, storeDir);
      if (problem === undefined) continue;
      unknown++;
      firstUnknown ??= `${stored.stream}@${stored.revision}: ${problem}`;
    }
    position = batch.checkpoint;
  }
  const unlinked =
    unlinkedFrom !== undefined && position !== undefined ? { from: unlinkedFrom, to: position } : undefined;
  return { farm, position, chain: commits.end(), events, unknown, firstUnknown, unlinked };
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
