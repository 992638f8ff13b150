import type { Revision } from '../../../coordinator/ports/event-store.ts';
import type { CommitMessage } from './log-reader.ts';

/** Where a commit is: its message, its last event's revision, and how many events it has. */
export interface KnownCommit {
  readonly sequence: number;
  readonly revision: Revision;
  readonly events: number;
}

/** All that the writer has to know of a stream: its end, and every commit id in it, so that a retry is recognised for ever. */
export interface KnownStream {
  /** -1: no event. */
  revision: Revision;
  /** Sequence of the last message on its subject, 0 if there is none. Beyond what is acknowledged: on its way. */
  sequence: number;
  readonly commits: Map<string, KnownCommit>;
}

/** Streams that were used lately; what is forgotten is read from the log again. */
export interface KnownStreams {
  get(stream: string): KnownStream | undefined;
  /** Remembers a stream as the log has it. */
  load(stream: string, last: number, commits: readonly CommitMessage[]): KnownStream;
  record(known: KnownStream, id: string, commit: KnownCommit): void;
  forget(stream: string): void;
  /** Forgets what was not used for long until it fits, except streams with messages beyond `acknowledged`. */
  trim(acknowledged: number): void;
}

/** About 300 bytes each. */
const commitsAtMost = 100_000;

export function createKnownStreams(limit = commitsAtMost): KnownStreams {
  // A Map keeps the order of insertion, and each use inserts anew: the first is the one not used for longest.
  const streams = new Map<string, KnownStream>();
  let commits = 0;
  function forget(stream: string): void {
    const known = streams.get(stream);
    if (!known) return;
    commits -= known.commits.size;
    streams.delete(stream);
  }
  return {
    get(stream) {
      const known = streams.get(stream);
      if (known) {
        streams.delete(stream);
        streams.set(stream, known);
      }
      return known;
    },
    load(stream, last, messages) {
      forget(stream);
      const known: KnownStream = { revision: -1, sequence: last, commits: new Map() };
      for (const { commit, sequence, revision, events } of messages) {
        known.revision = revision + events.length - 1;
        known.commits.set(commit, { sequence, revision: known.revision, events: events.length });
      }
      commits += known.commits.size;
      streams.set(stream, known);
      return known;
    },
    record(known, id, commit) {
      known.revision = commit.revision;
      known.sequence = commit.sequence;
      known.commits.set(id, commit);
      commits++;
    },
    forget,
    trim(acknowledged) {
      if (commits <= limit) return;
      // A good part at once: each walk from the front passes what was removed there before.
      const target = Math.floor(limit * 0.9);
      for (const [stream, { sequence }] of streams) {
        if (commits <= target) return;
        if (sequence <= acknowledged) forget(stream);
      }
    },
  };
}
