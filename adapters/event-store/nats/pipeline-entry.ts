import type { AppendResult, Commit } from '../../../coordinator/ports/event-store.ts';
import type { CommitMessage } from './log-reader.ts';
import { formatPlace } from './subject.ts';

/** A commit on its way through the pipeline. */
export interface Entry {
  readonly commit: Commit;
  readonly encoded: string;
  readonly resolve: (result: AppendResult) => void;
  readonly reject: (error: Error) => void;
  /** Its sequence in the log, from when it is sent; 0 before that, and for one that is not to be stored. */
  sequence: number;
  stored: boolean;
  /** What it comes to without being stored: a conflict, or what was stored before. Holds only if all before it is stored. */
  decided: AppendResult | undefined;
  /** What it comes to once it is stored. */
  result: AppendResult | undefined;
  /** The stream is to be read from the log: that it is new cannot be assumed. */
  doubtful: boolean;
  /** How often it was sent, and how often the server has refused just that message, and so not stored it. */
  sent: number;
  refused: number;
  /** Where the acknowledged log ended when this was first sent. If the log has it beyond, then from us, unless all that was sent was refused. */
  firstSentAt: number | undefined;
}

export function createEntry(commit: Commit, encoded: string, caller: Pick<Entry, 'resolve' | 'reject'>): Entry {
  return {
    commit,
    encoded,
    ...caller,
    sequence: 0,
    stored: false,
    decided: undefined,
    result: undefined,
    doubtful: false,
    sent: 0,
    refused: 0,
    firstSentAt: undefined,
  };
}

/** The log has it. */
export function markStored(entry: Entry, { sequence, revision, events }: CommitMessage): void {
  entry.sequence = sequence;
  entry.stored = true;
  entry.result = {
    ok: true,
    revision: revision + events.length - 1,
    position: formatPlace(sequence, events.length - 1),
    replayed: entry.sent > 0 && entry.refused === entry.sent,
  };
}

/** The log does not have it, or it was never to have it: it is to be looked at anew, in its order. */
export function takeBack(entry: Entry): void {
  entry.sequence = 0;
  entry.stored = false;
  entry.decided = undefined;
  entry.result = undefined;
  entry.doubtful = true;
}
