import { createHash } from 'node:crypto';
import type { HashAlgo } from '../../../domain/store/hash-text.ts';

/** Hash of the contents, where a NAR is one regular file that is not executable. */
export interface FlatHash {
  write(chunk: Uint8Array): void;
  /** Base 16; `undefined` where the NAR is something else. Call after the NAR was found well-formed. */
  end(): string | undefined;
}

/** All that comes before the length of the contents. */
const head = ['nix-archive-1', '(', 'type', 'regular', 'contents'].map(narString).join('');
const headLength = head.length + 8;

/**
 * Looks at the first 104 bytes and, where they start such a file, hashes the contents. Bytes after the contents are not
 * looked at: the NAR's verifier does that.
 */
export function createFlatHash(algo: HashAlgo): FlatHash {
  const digest = createHash(algo);
  const start = Buffer.alloc(headLength);
  let started = 0;
  /** Bytes of contents to come; `undefined` before the start was read or where it is something else. */
  let left: number | undefined;

  return {
    write(chunk) {
      let rest = chunk;
      if (started < headLength) {
        const taken = Math.min(headLength - started, chunk.length);
        start.set(chunk.subarray(0, taken), started);
        started += taken;
        rest = chunk.subarray(taken);
        if (started === headLength && start.toString('latin1', 0, head.length) === head) {
          left = Number(start.readBigUInt64LE(head.length));
        }
      }
      if (left === undefined || left === 0) return;
      const contents = rest.length > left ? rest.subarray(0, left) : rest;
      digest.update(contents);
      left -= contents.length;
    },
    end: () => (left === 0 ? digest.digest('hex') : undefined),
  };
}

function narString(text: string): string {
  const length = Buffer.alloc(8);
  length.writeUInt32LE(text.length);
  return length.toString('latin1') + text.padEnd(Math.ceil(text.length / 8) * 8, '\0');
}
