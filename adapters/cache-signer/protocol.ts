/**
 * What goes between the main thread and the signing thread: what is to be signed, one per line, answered in the same order by as many
 * signatures, one per line. One string crosses threads at a tenth of the cost of a structure.
 */
export const joinLines = (lines: readonly string[]): string => lines.join('\n');
export const splitLines = (text: string): string[] => text.split('\n');

export interface SignerSecrets {
  /** `<name>:<base64>` */
  readonly secret: string;
  /** As `guix-key.sec` has it; absent: nothing is signed for Guix. */
  readonly guixSecret?: string | undefined;
}

/** A line is a fingerprint, which begins with its version, or this and a hash that is signed for Guix. */
const forGuix = 'guix ';

export const guixLine = (hash: Uint8Array): string => forGuix + Buffer.from(hash).toString('hex');

/** The hash of a line of {@link guixLine}; `undefined` of a fingerprint. */
export function hashInLine(line: string): Buffer | undefined {
  return line.startsWith(forGuix) ? Buffer.from(line.slice(forGuix.length), 'hex') : undefined;
}
