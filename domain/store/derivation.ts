import { mostDerivationBytes } from '../limits.ts';
import { scanDerivation } from './derivation-scanner.ts';
import type { Derivation } from './derivation-shape.ts';
import { joinDerivationText, writeDerivationText, writeInputs } from './derivation-text.ts';
import { FormatError } from './format-error.ts';

export type { Derivation, DerivationOutput, InputDerivation } from './derivation-shape.ts';

export interface ParseDerivationOptions {
  readonly storeDir: string;
  /** Largest accepted file, in bytes; by default no coordinator takes a larger one. */
  readonly maxBytes?: number;
}

/**
 * Reads a `.drv` file (Nix and Guix, ATerm format), canonical texts only.
 *
 * @throws FormatError `malformed-derivation`, `unsupported-dynamic` or `too-large`.
 */
export function parseDerivation(bytes: Uint8Array, options: ParseDerivationOptions): Derivation {
  return scanDerivation(derivationByteString(bytes, options.maxBytes), options.storeDir).derivation;
}

/** The bytes of the `.drv` file. The derivation's lists must be in canonical order already. */
export function serializeDerivation(derivation: Derivation): Uint8Array {
  const text = joinDerivationText(writeDerivationText(derivation), writeInputs(derivation.inputDerivations));
  return Buffer.from(text, 'latin1');
}

/** The bytes as a byte string, refused with `too-large` above the limit. */
export function derivationByteString(bytes: Uint8Array, maxBytes: number = mostDerivationBytes): string {
  if (bytes.length > maxBytes) {
    throw new FormatError('too-large', `expected a derivation of at most ${maxBytes} bytes, got ${bytes.length}`);
  }
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
