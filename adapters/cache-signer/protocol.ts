/** What the signing thread is sent: fingerprints, to be answered in the same order by as many signatures. */
export interface SignRequest {
  readonly fingerprints: readonly string[];
}
export interface SignAnswer {
  readonly signatures: readonly string[];
}
