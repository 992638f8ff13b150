import type { Revision } from '../../../coordinator/ports/event-store.ts';

/** All that the writer must know of a stream to append to it: kept complete, because nobody else writes. */
export interface StreamState {
  /** Revision of the last event, -1 if there is none. */
  head: Revision;
  /** Commit id → revision of its last event. */
  readonly commits: Map<string, Revision>;
}

/** Remembers the streams used last; what was forgotten has to be read again. */
export interface StreamMemory {
  get(stream: string): StreamState | undefined;
  set(stream: string, state: StreamState): void;
  forget(stream: string): void;
  recordCommit(stream: string, state: StreamState, commit: string, revision: Revision): void;
}

/** Holds up to `limit` commits (about 150 bytes each), but always the stream used last. */
export function createStreamMemory(limit = 200_000): StreamMemory {
  // In order of use, the oldest first.
  const streams = new Map<string, StreamState>();
  let total = 0;

  function forget(stream: string): void {
    total -= streams.get(stream)?.commits.size ?? 0;
    streams.delete(stream);
  }
  function makeRoom(): void {
    for (const stream of streams.keys()) {
      if (total <= limit || streams.size === 1) return;
      forget(stream);
    }
  }
  return {
    forget,
    get(stream) {
      const state = streams.get(stream);
      if (state) {
        streams.delete(stream);
        streams.set(stream, state);
      }
      return state;
    },
    set(stream, state) {
      forget(stream);
      streams.set(stream, state);
      total += state.commits.size;
      makeRoom();
    },
    recordCommit(stream, state, commit, revision) {
      const kept = streams.get(stream) === state;
      if (kept && !state.commits.has(commit)) total++;
      state.commits.set(commit, revision);
      state.head = Math.max(state.head, revision);
      if (kept) makeRoom();
    },
  };
}
