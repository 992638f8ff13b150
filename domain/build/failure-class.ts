/**
 * Why an attempt failed (design, section 7). The first group is the build's own and uses up its attempts, `unknown` among it:
 * what nobody can name must come to an end. The second is the machine's or the network's and uses up none, but it is
 * bounded too: see `blame.ts`.
 */
export const builderFailures = [
  'builder-failed',
  'timed-out',
  'silent-too-long',
  'log-limit',
  'output-missing',
  'hash-mismatch',
  'not-deterministic',
  'rejected',
  'unknown',
] as const;
export const infrastructureFailures = [
  'inputs-missing',
  'fetch-failed',
  'upload-failed',
  'disk-full',
  'agent-error',
] as const;
export const failureClasses = [...builderFailures, ...infrastructureFailures] as const;
/** Why a build has failed: as its last attempt did, or by what it does to agents, which none of them can report. */
export const endClasses = [...failureClasses, 'agent-lost'] as const;

export type BuilderFailure = (typeof builderFailures)[number];
export type InfrastructureFailure = (typeof infrastructureFailures)[number];
export type FailureClass = (typeof failureClasses)[number];
export type EndClass = (typeof endClasses)[number];

const infrastructure: ReadonlySet<string> = new Set(infrastructureFailures);

/** Whether the machine or the network failed, not the build. */
export function isInfrastructureFailure(failure: FailureClass): failure is InfrastructureFailure {
  return infrastructure.has(failure);
}

/** Whether a builder has run to its end or its limit; what was refused or is not understood says nothing of the machine. */
export function showsThatTheMachineWorks(failure: FailureClass): boolean {
  return !isInfrastructureFailure(failure) && failure !== 'rejected' && failure !== 'unknown';
}
