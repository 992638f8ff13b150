import { growTree, hashLength, leafHash, type MerkleTree } from '../../domain/audit/merkle-tree.ts';
import { base64 } from '../../domain/store/ed25519.ts';
import type { Commit, Revision, StoredEvent } from '../ports/event-store.ts';
import { commitOfStored, commitText, isSameCommit } from './commit-text.ts';

/** What ties the commits of a log together: each carries the hash of the one before it, and a Merkle tree has them all as leaves. */
export interface Chain {
  readonly tree: Pick<MerkleTree, 'size' | 'root' | 'subtrees'>;
  /**
   * The next commit, as it is to be stored: with the hash of the one before it, and its data as the JSON text that was hashed.
   *
   * @param revision of its first event.
   */
  link(commit: Commit, revision: Revision): Commit;
}

/** Hash of a log that has no commit: what its first one carries. */
export const firstHash: string = growTree().root();

export function createChain(tree: MerkleTree = growTree(), last: string = firstHash): Chain {
  let previousHash = last;
  return {
    tree,
    link({ id, stream, expected, at, meta, events }, revision) {
      // Written out: a spread costs as much as the hash.
      const texts = events.map(({ type, version, data }) => ({ type, version, data, json: JSON.stringify(data) }));
      const linked = { id, stream, expected, at, meta, previousHash, events: texts };
      previousHash = leafHash(commitText({ previousHash, commit: id, stream, revision, at, meta, events: texts }));
      tree.push(previousHash);
      return linked;
    },
  };
}

/** What is known of a log's tree without reading all of it. */
export interface KnownTree {
  readonly size: number;
  readonly subtrees: readonly string[];
}

/**
 * Takes up the chain of a log that is read from its start. Nearly nothing is hashed for it: each commit says the hash of the one before
 * it, and what a checkpoint covers is in that. Whether the log is what it was is for the verifier to say.
 */
export interface ChainReader {
  add(event: StoredEvent): void;
  chain(): Chain;
}

export function readChain(known: KnownTree = { size: 0, subtrees: [] }): ChainReader {
  const tree = growTree(known);
  let commits = 0;
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
    chain() {
      if (current.length === 0) return createChain(tree);
      const last = hashOfCurrent();
      close(() => last);
      return createChain(tree, last);
    },
  };
}
