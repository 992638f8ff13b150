import { hash } from 'node:crypto';

/**
 * A Merkle tree that only grows, of which no more is kept than the hashes of its largest whole subtrees, from left to right: one for each
 * bit of its size. Source: RFC 6962, section 2.1.
 */
export interface MerkleTree {
  /** Leaves. */
  readonly size: number;
  push(leaf: Uint8Array): void;
  root(): Buffer;
  /** With the size, all that it takes to go on with the tree: see {@link growTree}. */
  subtrees(): readonly Buffer[];
}

export const hashLength = 32;

/** Hash of a leaf: of 0x00 and the UTF-8 of a text. */
export function leafHash(text: string): Buffer {
  return hash('sha256', `\0${text}`, 'buffer');
}

/** Subtrees of a tree of this size: the ones in its binary form. */
export function subtreesOf(size: number): number {
  let ones = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) ones += rest % 2;
  return ones;
}

/** A new tree, or one that goes on from what another's `size` and `subtrees` said. */
export function growTree(
  from: { size: number; subtrees: readonly Uint8Array[] } = { size: 0, subtrees: [] },
): MerkleTree {
  if (from.subtrees.length !== subtreesOf(from.size))
    throw new RangeError(
      `Expected ${subtreesOf(from.size)} subtrees of ${from.size} leaves, got ${from.subtrees.length}`,
    );
  const whole = from.subtrees.map((subtree): Buffer => Buffer.from(subtree));
  let size = from.size;
  return {
    get size() {
      return size;
    },
    push(leaf) {
      let subtree: Buffer = Buffer.from(leaf);
      for (let rest = size; rest % 2 === 1; rest = (rest - 1) / 2) subtree = nodeHash(whole.pop() as Buffer, subtree);
      whole.push(subtree);
      size++;
    },
    root() {
      let root = whole.at(-1) ?? hash('sha256', '', 'buffer');
      for (let at = whole.length - 2; at >= 0; at--) root = nodeHash(whole[at] as Buffer, root);
      return root;
    },
    subtrees: () => [...whole],
  };
}

/** 0x01, then the hashes of both sides; filled anew each time, because this runs once per commit. */
const node = Buffer.alloc(1 + 2 * hashLength, 1);

function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  node.set(left, 1);
  node.set(right, 1 + hashLength);
  return hash('sha256', node, 'buffer');
}
