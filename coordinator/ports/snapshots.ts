import type { ChainState, Position } from './event-store.ts';
import type { LogMark } from './log-mark.ts';

/** How far a log was folded, and all that it takes to go on from there. */
export interface FoldedTo {
  /** The last event that was folded. */
  readonly mark: LogMark;
  /** Of all commits up to there. */
  readonly chain: ChainState;
  readonly events: number;
  /** Events of types or versions that this program does not know; they count as revisions and changed nothing else. */
  readonly unknown: number;
  /** The first of them, and what is not known of it, for the log. */
  readonly firstUnknown: string | undefined;
  /** Whether a commit carries the hash of the one before it; and the first of the newest ones that do not, though older ones do. */
  readonly hasLinks: boolean;
  readonly unlinkedFrom: Position | undefined;
  /** The store directory that the submissions are for; `undefined` before the first of them. */
  readonly storeDir: string | undefined;
}

export type SnapshotPart = readonly [name: string, saved: unknown];

/** What the hot projections knew at a place in the log, by the names of the parts (projections/memory.ts). */
export interface Snapshot {
  readonly foldedTo: FoldedTo;
  /** In the order in which they are loaded. Throws at one that is damaged: what was loaded before it is of no use then. */
  readonly parts: AsyncIterable<SnapshotPart> | Iterable<SnapshotPart>;
  /** Where it is, for people. */
  readonly name: string;
}

/** Snapshots that were written by a program which folds as this one does. */
export interface Snapshots {
  /** Newest first; what was written by a program that folds otherwise, or is no snapshot, is passed over. */
  newest(): AsyncIterable<Snapshot>;
}
