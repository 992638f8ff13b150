/** The texts of derivations that the coordinator has. Failures reject with {@link TransferError}. */
export interface DerivationTexts {
  /** Of a derivation, by its base name; `undefined` if the coordinator does not have it. */
  text(base: string, signal: AbortSignal): Promise<Uint8Array | undefined>;
}
