import { Buffer } from 'node:buffer';
import type { Commit } from '../../coordinator/ports/event-store.ts';

const alphabet = '0123456789abcdfghijklmnpqrsvwxyz';
const hashCharacters = Buffer.alloc(32);

/** 32 characters that look like the hash of a store path, different for each `n`, in no order. */
export function hashLike(n: number): string {
  let state = Math.imul(n + 1, 0x9e3779b1) >>> 0;
  for (let i = 0; i < 32; i++) {
    state = (Math.imul(state ^ (state >>> 15), 0x85ebca6b) + i + n) >>> 0;
    hashCharacters[i] = alphabet.charCodeAt(state >>> 27);
  }
  // In one piece: put together of characters, a million of them take a gigabyte, and garbage collection is what is measured.
  return hashCharacters.toString('latin1');
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
