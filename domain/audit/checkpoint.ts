import { base64 } from '../store/ed25519.ts';
import { excerpt, FormatError } from '../store/format-error.ts';
import { hashLength } from './merkle-tree.ts';

/** The head of a log's Merkle tree, as the text of a signed note. Source: https://c2sp.org/tlog-checkpoint */
export interface Checkpoint {
  /** Which log it is; also the name of the key that signs for it. */
  readonly origin: string;
  /** Commits that it covers, from the first on. */
  readonly size: number;
  /** Base64. */
  readonly root: string;
}

export function checkpointText({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${root}\n`;
}

/** Throws a FormatError for any other text. Lines beyond the third are passed over, as the specification has it. */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin = '', size = '', root = '', ...rest] = text.split('\n');
  if (
    origin === '' ||
    !/^(?:0|[1-9][0-9]{0,14})$/.test(size) ||
    base64(root, hashLength) === undefined ||
    rest.at(-1) !== ''
  )
    throw new FormatError(
      'malformed-note',
      `expected a checkpoint: the lines origin, size and root hash, got ${excerpt(text)}`,
    );
  return { origin, size: Number(size), root };
}
