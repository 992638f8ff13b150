/** Why an attempt failed (design, section 7). The first group uses up the build's attempts, the second never does. */
export const builderFailures = [
  'builder-failed',
  'timed-out',
  'silent-too-long',
  'log-limit',
  'output-missing',
  'hash-mismatch',
  'not-deterministic',
  'rejected',
] as const;
export const infrastructureFailures = [
  'inputs-missing',
  'fetch-failed',
  'upload-failed',
  'disk-full',
  'agent-error',
] as const;
export const failureClasses = [...builderFailures, ...infrastructureFailures] as const;

export type BuilderFailure = (typeof builderFailures)[number];
export type InfrastructureFailure = (typeof infrastructureFailures)[number];
export type FailureClass = (typeof failureClasses)[number];

const infrastructure: ReadonlySet<string> = new Set(infrastructureFailures);

/** Whether the machine or the network failed, not the build. */
export function isInfrastructureFailure(failure: FailureClass): failure is InfrastructureFailure {
  return infrastructure.has(failure);
}
