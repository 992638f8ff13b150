import { createHash } from 'node:crypto';
import { FormatError } from './format-error.ts';
import { type NarLimits, narLimits } from './nar-limits.ts';
import { createNarParser, type NarVisitor } from './nar-parser.ts';
import { encodeNixBase32 } from './nix-base32.ts';
import { createReferenceScanner } from './reference-scanner.ts';

/** What is hashed is looked through right after, while a core has it in its cache, in bytes. */
const atOnce = 128 * 1024;

export interface NarVerifierOptions {
  /** Largest accepted NAR in bytes: the declared size, or a limit of the house. */
  readonly maxSize: number;
  /** Hash parts (32 characters) of the store paths that the NAR may refer to, its own included. */
  readonly references?: Iterable<string>;
  readonly limits?: Partial<NarLimits>;
  readonly visitor?: NarVisitor;
}

export interface NarFacts {
  /** `sha256:<nix-base32>` */
  readonly narHash: string;
  readonly narSize: number;
  /** Those of the candidate hash parts that occur in the NAR, sorted. */
  readonly references: string[];
}

export interface NarVerifier {
  /** Takes the next bytes. Throws a {@link FormatError}, `malformed-nar` or `nar-too-large`; it is of no use after. */
  write(chunk: Uint8Array): void;
  /** Call once, after the last byte. Throws a {@link FormatError} when the NAR is not complete. */
  end(): NarFacts;
}

/**
 * Checks a NAR while it streams in: well-formed in every respect, so that every reader makes the same files of it, and
 * what it hashes to, how long it is and which of the candidate references it holds.
 */
export function createNarVerifier(options: NarVerifierOptions): NarVerifier {
  const { maxSize } = options;
  const parser = createNarParser(maxSize, { ...narLimits, ...options.limits }, options.visitor);
  const scanner = createReferenceScanner(options.references ?? []);
  const digest = createHash('sha256');
  let size = 0;

  return {
    write(chunk) {
      if (size + chunk.length > maxSize) {
        throw new FormatError('nar-too-large', `expected a NAR of at most ${maxSize} bytes, got more`, maxSize);
      }
      size += chunk.length;
      parser.write(chunk);
      for (let start = 0; start < chunk.length; start += atOnce) {
        const piece = chunk.subarray(start, start + atOnce);
        digest.update(piece);
        scanner.write(piece);
      }
    },
    end() {
      parser.end();
      return { narHash: `sha256:${encodeNixBase32(digest.digest())}`, narSize: size, references: scanner.found() };
    },
  };
}
