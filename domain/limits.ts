/**
 * The bounds that have to agree with each other: what a derivation may be, what a frame of the agent link, an event and a
 * commit can hold. Each is stated once, here; whatever follows from another is computed. `test/domain/limits.test.ts` does
 * the arithmetic with the largest of everything. Sizes are in bytes.
 */

const KiB = 1024;
const MiB = 1024 * KiB;

/** Base name of a store path: 32 characters of hash, `-`, and a name of up to 211. */
export const maxBaseNameBytes: number = 32 + 1 + 211;

/** Largest frame from an agent, which is not trusted: a result with its references fits, a log is cut into chunks. */
export const maxFrameBytes: number = 4 * MiB;
/** Largest log chunk. */
export const maxLogChunkBytes: number = 256 * KiB;
/** Largest frame from the coordinator: a derivation's text beside the list of its inputs. */
export const maxCoordinatorFrameBytes: number = 16 * MiB;

/** Largest `limits.max-derivation-bytes`: half of a frame, as the list of inputs is seldom longer than the text that names them. */
export const mostDerivationBytes: number = maxCoordinatorFrameBytes / 2;
/** Deepest nesting of structured attributes (`__json`). What reads them by recursion, here and in Nix, gets by with its stack. */
export const maxJsonDepth = 256;
/** Most outputs of a derivation. Guix has 7 at most, Nixpkgs some 20. */
export const maxOutputs = 256;

/**
 * What the event store has to take in one commit at least. NATS has 1 MiB unless its `max_payload` says otherwise; a
 * server that takes less than this is refused at the start.
 */
export const minCommitBytes: number = 512 * KiB;
/** Why an event store that takes commits of so many bytes is of no use; `undefined` if it is. */
export function commitShortfall(maxCommitBytes: number): string | undefined {
  if (maxCommitBytes >= minCommitBytes) return undefined;
  const expected = `expected an event store that takes commits of at least ${minCommitBytes} bytes`;
  return `${expected}, got one of ${maxCommitBytes}; for NATS, raise max_payload and the stream's max_msg_size`;
}
/** Most names (roots, builds) that one event lists. */
export const namesPerEvent = 1500;
/** Most bytes of the roots that one event lists, and of their tags: what {@link namesPerEvent} of the longest names take. */
export const maxRootBytes: number = namesPerEvent * (maxBaseNameBytes + 3);
/** Most tags of a build. */
export const maxTags = 64;
/** Most tags of the roots of one submission, in all. To check so many takes a quarter of a second, in which nobody else is heard; two where all are wrong. */
export const maxRootTags = 200_000;
/**
 * Largest window of a zstd frame that is accepted, as the log of its bytes: 8 MiB is what every decoder should support and no
 * encoder should exceed. Source: RFC 8878, section 3.1.1.1.2.
 */
export const zstdWindowLogMax = 23;
const window = 2 ** zstdWindowLogMax;
/** Pieces of an upload on their way to its verifier, and their output, beside the window. */
const uploadBuffers = 4 * MiB;

/** The most that verifying an upload holds in memory. A window is filled by what comes out of it. */
export function uploadMemoryBytes(compression: 'none' | 'zstd', narSize: number): number {
  return uploadBuffers + (compression === 'zstd' ? Math.min(window, narSize) : 0);
}
/** What the largest upload needs: a smaller budget would let in none. */
export const mostUploadMemoryBytes: number = uploadBuffers + window;

/** Largest file of a NAR: a compressor makes nothing much larger, and what claims so is not what it seems. */
export function mostFileBytes(narSize: number): number {
  return narSize + Math.ceil(narSize / 64) + 64 * KiB;
}
/** Unless `limits.token-upload-bytes` says otherwise, one token's uploads that wait to be used may be as large as so many of the largest. */
export const largestUploadsPerToken = 4;

/**
 * What the declarations of one token's uploads that wait to be used may hold in memory: references, and hash parts to look for. A
 * hundred with a closure of 20,000 items each. One alone is always let in.
 */
export const maxDeclarationBytesPerToken: number = 64 * MiB;
/** {@link maxDeclarationBytesPerToken} counts this of the references of a declaration … */
export const referenceBytes = (references: readonly string[]): number => listBytes(references);
/** … and this of the hash parts to look for, once for all outputs of an attempt. */
export const scanBytes = (scan: readonly string[]): number => scan.length * (32 + headBytes);

/** A text in JSON at its worst: each character an escape like `\u001b`. */
export const jsonBytes = (characters: number): number => 6 * characters + 2;

/** Of an output in a result: name, path, hash, size, upload, and the names of these fields. */
export const resultBytesPerOutput: number = 211 + maxBaseNameBytes + 59 + 9 + 64 + 128;
/** Longest line of `POST /v1/derivations`: path and text in base 64. */
export function derivationLineBytes(maxDerivationBytes: number): number {
  return 4 * Math.ceil(maxDerivationBytes / 3) + KiB;
}

/** Room that one base name takes in a list of a frame: its length and up to five bytes that say so. */
const headBytes = 5;
/** What else a frame has: type, build, attempt, numbers. */
const frameOverhead = 4 * KiB;
/** What else a commit has: revision, meta, the names of fields. */
const commitOverhead = 4 * KiB;

/** Bytes of all references of a result, as {@link listBytes} counts them, so that it fits into a frame. */
export const maxReferenceBytes: number = maxFrameBytes - maxOutputs * resultBytesPerOutput - frameOverhead;

/** What a list of base names takes in a frame at most. */
export function listBytes(names: Iterable<string>): number {
  let sum = 0;
  for (const name of names) sum += name.length + headBytes;
  return sum;
}

/** Largest frame that tells an agent of this attempt; never less than what it really takes. */
export function allocateFrameBytes(text: number, inputs: number): number {
  return text + inputs + frameOverhead;
}

/** What a coordinator takes in, as far as it depends on its settings and its event store; `GET /v1/limits` says it. */
export interface DerivationLimits {
  /** `limits.max-derivation-bytes` */
  readonly maxDerivationBytes: number;
  /** What the event store takes in one commit. */
  readonly maxCommitBytes: number;
}

/** What has to be known of a derivation to say whether it fits. */
export interface DerivationSize {
  /** Of its text. */
  readonly text: number;
  readonly outputs: number;
  /** {@link listBytes} of the items that it needs: sources and outputs of input derivations. */
  readonly inputs: number;
  /** Of its event as JSON; never more than its text and {@link commitOverhead}. */
  readonly event: () => number;
}

/** Why a derivation is too large, with the setting that says so where there is one; `undefined` if it fits everywhere. */
export function derivationExcess(size: DerivationSize, limits: DerivationLimits): string | undefined {
  const { text, outputs, inputs } = size;
  if (text > limits.maxDerivationBytes)
    return `expected a derivation of at most ${limits.maxDerivationBytes} bytes (setting limits.max-derivation-bytes), got ${text}`;
  if (outputs > maxOutputs) return `expected at most ${maxOutputs} outputs, got ${outputs}`;
  const frame = allocateFrameBytes(text, inputs);
  if (frame > maxCoordinatorFrameBytes)
    return `expected text and list of inputs to fit into a frame of ${maxCoordinatorFrameBytes} bytes to an agent, got ${frame}`;
  const room = limits.maxCommitBytes - commitOverhead;
  if (text + commitOverhead > room) {
    const event = size.event();
    if (event > room)
      return `expected an event of at most ${room} bytes, which is what the event store takes in one commit, got ${event}`;
  }
  return undefined;
}

/** What is looked at of a closure: narinfos, and bytes of these. */
export interface ClosureLimit {
  readonly narinfos: number;
  readonly bytes: number;
}

/** More than any closure has: those of the largest systems have some ten thousand items. A cache that refers on and on beyond it has no end. */
export const largestClosure: ClosureLimit = { narinfos: 200_000, bytes: 512 * MiB };

/** Those of an item's further addresses that fit into its event beside its references: all, or none. */
export function addressesWithin(
  addresses: readonly string[],
  references: readonly string[],
  maxCommitBytes: number,
): readonly string[] {
  return referencesExcess([...references, ...addresses], maxCommitBytes) === undefined ? addresses : [];
}

/** Why an item's event would not fit into a commit of that size; `undefined` if it does. */
export function referencesExcess(references: readonly string[], maxCommitBytes: number): string | undefined {
  const room = maxCommitBytes - 2 * commitOverhead;
  const bytes = references.reduce((sum, base) => sum + base.length + 3, 0);
  return bytes <= room ? undefined : `expected references of at most ${room} bytes in all, got ${bytes}`;
}
