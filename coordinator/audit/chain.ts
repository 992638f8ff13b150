import { growTree, hashLength, leafHash, type MerkleTree } from '../../domain/audit/merkle-tree.ts';
import { base64 } from '../../domain/store/ed25519.ts';
import type { ChainState, Commit, EventStore, Linking, Revision, StoredEvent } from '../ports/event-store.ts';
import { commitOfStored, commitText, isSameCommit } from './commit-text.ts';

/** What ties the commits of a log together: each carries the hash of the one before it, and a Merkle tree has them all as leaves. */
export interface Chain {
  /** Commits. */
  readonly size: number;
  /**
   * The next commit, as it is to be handed over.
   *
   * @param revision of its first event.
   */
  link(commit: Commit, revision: Revision): Commit;
  /**
   * Calls `use` with the tree of all that was linked so far: by then, not only by now. To be called when all that is linked has been handed
   * over. Rejects where the engine cannot say.
   */
  withTree(use: (tree: Tree) => void): Promise<void>;
}
export type Tree = Pick<MerkleTree, 'size' | 'root' | 'subtrees'>;

/** Hash of a log that has no commit: what its first one carries. */
export const firstHash: string = growTree().root();
/** Of a log without commits. */
export const emptyChain: ChainState = { size: 0, subtrees: [], last: firstHash };

/** The chain of what goes to a store, which may link by itself. */
export function takeUpChain(store: Pick<EventStore, 'link'>, from: ChainState): Chain {
  return store.link ? chainOfEngine(store.link(from), from.size) : createChain(from);
}

/** A chain whose commits are stored with the hash of the one before them, and their data as the JSON text that was hashed. */
export function createChain(from: ChainState = emptyChain): Chain & { readonly tree: Tree; state(): ChainState } {
  const tree = growTree(from);
  let previousHash = from.last;
  return {
    tree,
    get size() {
      return tree.size;
    },
    link({ id, stream, expected, at, meta, events }, revision) {
      // Written out: a spread costs as much as the hash.
      const texts = events.map(({ type, version, data }) => ({ type, version, data, json: JSON.stringify(data) }));
      const linked = { id, stream, expected, at, meta, previousHash, events: texts };
      previousHash = leafHash(commitText({ previousHash, commit: id, stream, revision, at, meta, events: texts }));
      tree.push(previousHash);
      return linked;
    },
    async withTree(use) {
      use(tree);
    },
    state: () => ({ size: tree.size, subtrees: tree.subtrees(), last: previousHash }),
  };
}

/** A chain that the engine makes. What is linked while it says how far that is, is linked here once more: so the tree is whole in that turn. */
function chainOfEngine(linking: Linking, from: number): Chain {
  let size = from;
  const questions = new Set<Parameters<Chain['link']>[]>();
  return {
    get size() {
      return size;
    },
    link(commit, revision) {
      size++;
      for (const since of questions) since.push([commit, revision]);
      return commit;
    },
    async withTree(use) {
      const since: Parameters<Chain['link']>[] = [];
      questions.add(since);
      try {
        const chain = createChain(await linking.state());
        for (const commit of since) chain.link(...commit);
        // A checkpoint of another number of commits would have the log look as if it had been changed.
        if (chain.size !== size) throw new Error(`expected a chain of ${size} commits, got one of ${chain.size}`);
        use(chain.tree);
      } finally {
        questions.delete(since);
      }
    },
  };
}

/** What is known of a log's tree without reading all of it. */
export type KnownTree = Pick<ChainState, 'size' | 'subtrees'>;

/**
 * Takes up the chain of a log that is read from its start, or from where it was at `from`. Nearly nothing is hashed for it: each commit says the hash of the one before
 * it, and what a checkpoint covers is in that. Whether the log is what it was is for the verifier to say.
 */
export interface ChainReader {
  add(event: StoredEvent): void;
  end(): ChainState;
}

export function readChain(known: KnownTree = { size: 0, subtrees: [] }, from: ChainState = emptyChain): ChainReader {
  const tree = growTree(known);
  let commits = from.size;
  let current: StoredEvent[] = [];

  const hashOfCurrent = (): string => leafHash(commitText(commitOfStored(current)));
  function close(leaf: () => string): void {
    if (++commits > known.size) tree.push(leaf());
  }

  return {
    add(event) {
      if (isSameCommit(current.at(-1), event)) {
        current.push(event);
        return;
      }
      if (current.length > 0) {
        const { previousHash = '' } = event;
        close(() => (base64(previousHash, hashLength) ? previousHash : hashOfCurrent()));
      }
      current = [event];
    },
    end() {
      const last = current.length === 0 ? from.last : hashOfCurrent();
      if (current.length > 0) close(() => last);
      return { size: tree.size, subtrees: tree.subtrees(), last };
    },
  };
}
