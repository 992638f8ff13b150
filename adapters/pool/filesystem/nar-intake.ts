import { createHash } from 'node:crypto';
import type { UploadDeclaration } from '../../../coordinator/ports/pool.ts';
import { createDebugIds } from '../../../domain/store/debug-ids.ts';
import { FormatError } from '../../../domain/store/format-error.ts';
import { createNarVerifier, type NarFacts } from '../../../domain/store/nar-verifier.ts';
import { encodeNixBase32 } from '../../../domain/store/nix-base32.ts';
import { hashPartLength } from '../../../domain/store/store-path.ts';
import { createFlatHash } from './flat-hash.ts';
import { Refused } from './refused.ts';
import { createZstdDecoder, type Decoder } from './zstd-decoder.ts';

/** What an upload has to turn out to be. */
export type Expectation = Pick<UploadDeclaration, 'narHash' | 'narSize' | 'references' | 'compression'> & {
  /** Hash parts to look for besides the references; without it, references are not checked. */
  readonly scan?: readonly string[];
};

export interface Verified {
  readonly fileHash: string;
  readonly flatSha256?: string;
  /** Of the programs that it has debug information of. */
  readonly buildIds?: readonly string[];
}

/** Of one item: its event names them. */
const mostBuildIds = 2000;

/** Verifies the bytes of one upload as they come, in order. Throws or rejects with {@link Refused}; it is of no use after. */
export interface NarIntake {
  write(bytes: Uint8Array): Promise<void>;
  end(): Promise<Verified>;
  close(): void;
}

export function createNarIntake(expected: Expectation): NarIntake {
  const declared = expected.references.map((reference) => reference.slice(0, hashPartLength));
  const debugIds = createDebugIds(mostBuildIds);
  const verifier = createNarVerifier({
    maxSize: expected.narSize,
    visitor: debugIds,
    references: expected.scan === undefined ? [] : [...declared, ...expected.scan],
  });
  const flat = createFlatHash('sha256');
  const pipeline = expected.compression === 'zstd' ? hashedZstd(takeNar, expected.narSize) : plain(takeNar);

  function takeNar(chunk: Uint8Array): void {
    translated(() => verifier.write(chunk));
    flat.write(chunk);
  }

  return {
    write: (bytes) => pipeline.write(bytes),
    async end() {
      await pipeline.end();
      const facts = translated(() => verifier.end());
      checkFacts(facts, expected);
      if (expected.scan !== undefined) checkReferences(facts.references, declared);
      const flatSha256 = flat.end();
      return {
        fileHash: pipeline.fileHash?.() ?? facts.narHash,
        ...(flatSha256 !== undefined && { flatSha256 }),
        ...(debugIds.found.length > 0 && { buildIds: debugIds.found }),
      };
    },
    close: () => pipeline.close(),
  };
}

interface Pipeline extends Decoder {
  /** Absent where the file is the NAR itself, and its hash the same. */
  fileHash?(): string;
}

function plain(takeNar: (chunk: Uint8Array) => void): Pipeline {
  return { write: async (chunk) => takeNar(chunk), end: async () => undefined, close: () => undefined };
}

function hashedZstd(takeNar: (chunk: Uint8Array) => void, narSize: number): Pipeline {
  const digest = createHash('sha256');
  const decoder = createZstdDecoder(takeNar, narSize);
  return {
    async write(chunk) {
      const decoded = decoder.write(chunk);
      // Hashed here while another thread decompresses.
      digest.update(chunk);
      await decoded;
    },
    end: () => decoder.end(),
    close: () => decoder.close(),
    fileHash: () => `sha256:${encodeNixBase32(digest.digest())}`,
  };
}

function checkFacts(facts: NarFacts, expected: Expectation): void {
  if (facts.narSize !== expected.narSize) {
    throw new Refused(
      'wrong-nar-size',
      `expected a NAR of ${expected.narSize} bytes as declared, got ${facts.narSize}`,
    );
  }
  if (facts.narHash !== expected.narHash) {
    throw new Refused('wrong-nar-hash', `expected ${expected.narHash} as declared, got ${facts.narHash}`);
  }
}

function checkReferences(found: readonly string[], declared: readonly string[]): void {
  const inNar = new Set(found);
  const promised = new Set(declared);
  const absent = declared.filter((part) => !inNar.has(part));
  const undeclared = found.filter((part) => !promised.has(part));
  if (absent.length === 0 && undeclared.length === 0) return;
  const parts = [
    ...(undeclared.length > 0 ? [`not declared: ${some(undeclared)}`] : []),
    ...(absent.length > 0 ? [`declared, but not in the NAR: ${some(absent)}`] : []),
  ];
  throw new Refused('wrong-references', `expected the references to be as declared, got ${parts.join('; ')}`);
}

function some(parts: readonly string[]): string {
  return parts.slice(0, 5).join(', ') + (parts.length > 5 ? ` and ${parts.length - 5} more` : '');
}

function translated<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    const code = error.code === 'nar-too-large' ? 'wrong-nar-size' : 'malformed-nar';
    throw new Refused(code, error.message, { cause: error });
  }
}
