import type { Commit } from '../../coordinator/ports/event-store.ts';

const alphabet = '0123456789abcdfghijklmnpqrsvwxyz';
/** 32 characters that look like the hash of a store path, different for each `n`, in no order. */
export function hashLike(n: number): string {
  let text = '';
  let state = Math.imul(n + 1, 0x9e3779b1) >>> 0;
  for (let i = 0; i < 32; i++) {
    state = (Math.imul(state ^ (state >>> 15), 0x85ebca6b) + i + n) >>> 0;
    text += alphabet[state >>> 27];
  }
  return text;
}

/** The n-th commit of a made-up log: one event with about 150 bytes of data on a stream of its own. */
export function commitNumber(n: number): Commit {
  return {
    id: `bench-${n}`,
    stream: `item-${hashLike(n)}`,
    expected: 'none',
    at: 1_790_000_000_000 + n,
    meta: { actor: 'agent-17', correlation: 'submission-1', causation: `build-1-${n}@3` },
    events: [
      {
        type: 'BuildSucceeded',
        version: 1,
        data: {
          attempt: 1,
          agent: 'agent-17',
          outputs: { out: `${hashLike(n)}-package-1.2.3` },
          durationMs: 12_345,
          logBytes: 67_890,
        },
      },
    ],
  };
}
