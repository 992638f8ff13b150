import type { FailureClass } from '../failure-class.ts';

/** A status of the worker protocol's BuildResult. */
export interface NixStatus {
  readonly code: number;
  /** As Nix's sources call it. */
  readonly name: string;
  /** `built` where all outputs are valid. */
  readonly means: FailureClass | 'built';
  /**
   * Whether the text may say something more exact. Where it may not, or says nothing that is known, `means` holds: the status is a
   * number that no builder can print.
   */
  readonly refined: boolean;
}

/**
 * Every status from Nix 2.8 to the head of 2026 (build-result.hh: `BuildResult::Status`, later `BuildResultSuccessStatus` and
 * `BuildResultFailureStatus`; the numbers on the wire are those of the worker protocol, 0 to 15).
 */
export const nixStatuses: readonly NixStatus[] = [
  { code: 0, name: 'Built', means: 'built', refined: false },
  { code: 1, name: 'Substituted', means: 'built', refined: false },
  { code: 2, name: 'AlreadyValid', means: 'built', refined: false },
  // A sandboxed builder failed, or was killed.
  { code: 3, name: 'PermanentFailure', means: 'builder-failed', refined: true },
  // Refused before the builder ran; newer Nix also says so where the machine lacks a system or feature.
  { code: 4, name: 'InputRejected', means: 'rejected', refined: true },
  // The builder succeeded, and what it left is not taken.
  { code: 5, name: 'OutputRejected', means: 'rejected', refined: true },
  // Any failure of a builder that has the network, and one after which the disk was found full.
  { code: 6, name: 'TransientFailure', means: 'builder-failed', refined: true },
  { code: 7, name: 'CachedFailure', means: 'builder-failed', refined: false },
  { code: 8, name: 'TimedOut', means: 'timed-out', refined: true },
  // Whatever was thrown and is not one of these.
  { code: 9, name: 'MiscFailure', means: 'unknown', refined: true },
  { code: 10, name: 'DependencyFailed', means: 'inputs-missing', refined: false },
  { code: 11, name: 'LogLimitExceeded', means: 'log-limit', refined: false },
  { code: 12, name: 'NotDeterministic', means: 'not-deterministic', refined: false },
  { code: 13, name: 'ResolvesToAlreadyValid', means: 'built', refined: false },
  { code: 14, name: 'NoSubstituters', means: 'inputs-missing', refined: false },
  // Newer than 2.34, to clients that know it.
  { code: 15, name: 'HashMismatch', means: 'hash-mismatch', refined: false },
];
