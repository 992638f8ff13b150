import { commitPlace } from '../../../coordinator/audit/commit-text.ts';
import type { ChainState } from '../../../coordinator/ports/event-store.ts';
import { growTree, leafHash } from '../../../domain/audit/merkle-tree.ts';
import type { FlatCommit } from './flat-commits.ts';

/** Links commits while they are put into the log, on the writer's thread. */
export interface Linker {
  /** Hash of the last commit: what the next one carries. */
  readonly last: string;
  /** @param revision of its first event. */
  add(commit: FlatCommit, revision: number): void;
  /**
   * Nobody asks for the tree but a checkpoint, so hashes wait for it until there is nothing else to do. Takes in a few, if many wait.
   * False where that is not so.
   */
  rest(): boolean;
  state(): ChainState;
}

/** Hashes that are worth waking up for. */
const many = 256;
/** Hashes that wait at most, a megabyte of them. */
const most = 16_384;
/** Hashes taken in while others may wait for the thread: 20 µs. */
const portion = 16;

export function createLinker(from: ChainState): Linker {
  const tree = growTree(from);
  let last = from.last;
  /** Hashes of commits that the tree lacks; those before `taken` it has. */
  let waiting: string[] = [];
  let taken = 0;

  function takeIn(count: number): void {
    const end = Math.min(waiting.length, taken + count);
    while (taken < end) tree.push(waiting[taken++] as string);
    // Taking them off the front one by one would move the rest each time.
    if (taken === waiting.length || taken > most) {
      waiting = waiting.slice(taken);
      taken = 0;
    }
  }

  return {
    get last() {
      return last;
    },
    add({ id, stream, content }, revision) {
      last = leafHash(`${commitPlace({ previousHash: last, commit: id, stream, revision })}${content}`);
      // Where the thread never rests, as many are taken in as come.
      if (waiting.push(last) - taken > most) takeIn(1);
    },
    rest() {
      if (waiting.length - taken < many) return false;
      takeIn(portion);
      return true;
    },
    state() {
      takeIn(waiting.length);
      return { size: tree.size, subtrees: tree.subtrees(), last };
    },
  };
}
