import { hash } from 'node:crypto';

/**
 * A Merkle tree that only grows, of which no more is kept than the hashes of its largest whole subtrees, from left to right: one for each
 * bit of its size. Hashes are texts in base64, and inside of it texts of which each character is a byte: making a Buffer of each costs more
 * than hashing. Source: RFC 6962, section 2.1.
 */
export interface MerkleTree {
  /** Leaves. */
  readonly size: number;
  push(leaf: string): void;
  root(): string;
  /** With the size, all that it takes to go on with the tree: see {@link growTree}. */
  subtrees(): readonly string[];
}

/** In bytes. */
export const hashLength = 32;

/** Hash of a leaf: of 0x00 and the UTF-8 of a text. */
export function leafHash(text: string): string {
  return hash('sha256', `\0${text}`, 'base64');
}

/** Subtrees of a tree of this size: the ones in its binary form. */
export function subtreesOf(size: number): number {
  let ones = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) ones += rest % 2;
  return ones;
}

/** A new tree, or one that goes on from what another's `size` and `subtrees` said. */
export function growTree(from: Pick<MerkleTree, 'size'> & { subtrees: readonly string[] } = empty): MerkleTree {
  const whole = from.subtrees.map((hash) => recoded(hash, 'base64', 'binary'));
  let size = from.size;
  if (whole.length !== subtreesOf(size))
    throw new RangeError(`Expected ${subtreesOf(size)} subtrees of ${size} leaves, got ${whole.length}`);
  return {
    get size() {
      return size;
    },
    push(leaf) {
      let subtree = recoded(leaf, 'base64', 'binary');
      for (let rest = size; rest % 2 === 1; rest = (rest - 1) / 2) subtree = nodeHash(whole.pop() as string, subtree);
      whole.push(subtree);
      size++;
    },
    root() {
      let root = whole.at(-1) ?? hash('sha256', '', 'binary');
      for (let at = whole.length - 2; at >= 0; at--) root = nodeHash(whole[at] as string, root);
      return recoded(root, 'binary', 'base64');
    },
    subtrees: () => whole.map((hash) => recoded(hash, 'binary', 'base64')),
  };
}

const empty = { size: 0, subtrees: [] };

/** 0x01, then the hashes of both sides; filled anew each time, because this runs once per commit. 'binary' is a byte for a character. */
const node = Buffer.alloc(1 + 2 * hashLength, 1);

function nodeHash(left: string, right: string): string {
  node.write(left, 1, hashLength, 'binary');
  node.write(right, 1 + hashLength, hashLength, 'binary');
  return hash('sha256', node, 'binary');
}

function recoded(text: string, from: BufferEncoding, to: BufferEncoding): string {
  node.write(text, 1, hashLength, from);
  return node.toString(to, 1, 1 + hashLength);
}
