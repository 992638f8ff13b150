import type { BuildOutcome } from '../../../agent/ports/builder.ts';
import type { FailureClass } from '../../../domain/build/failure-class.ts';
import { isDiskFull, plain } from './daemon-messages.ts';
import { protocolVersion } from './handshake.ts';
import type { WireReader } from './wire-reader.ts';

/** What a daemon answers to BuildDerivation, as far as it matters here. */
export interface BuildResult {
  readonly status: number;
  readonly message: string;
  /** Seconds since the Unix epoch; 0 where nothing was built. */
  readonly startTime: number;
  readonly stopTime: number;
}

export async function readBuildResult(reader: WireReader, protocol: number): Promise<BuildResult> {
  const status = await reader.u64();
  const message = (await reader.bytes()).toString();
  await reader.u64(); // times built
  await reader.u64(); // whether it was found not to be deterministic
  const startTime = await reader.u64();
  const stopTime = await reader.u64();
  if (protocol >= protocolVersion(1, 37)) {
    // CPU time of user and system, each with a flag before it.
    for (let index = 0; index < 2; index++) if ((await reader.u64()) !== 0) await reader.u64();
  }
  const outputs = await reader.u64(); // realisations by output
  for (let index = 0; index < outputs; index++) {
    await reader.bytes();
    await reader.bytes();
  }
  return { status, message, startTime, stopTime };
}

/** Status numbers of the worker protocol that are told apart. */
const status = {
  built: 0,
  substituted: 1,
  alreadyValid: 2,
  permanentFailure: 3,
  inputRejected: 4,
  outputRejected: 5,
  transientFailure: 6,
  cachedFailure: 7,
  timedOut: 8,
  dependencyFailed: 10,
  logLimitExceeded: 11,
  notDeterministic: 12,
  resolvesToAlreadyValid: 13,
  hashMismatch: 15,
} as const;

/** The outcome that a result means; `elapsedMs` is how long the client waited. */
export function outcomeOf(result: BuildResult, elapsedMs: number): BuildOutcome {
  const { built, substituted, alreadyValid, resolvesToAlreadyValid } = status;
  if ([built, substituted, alreadyValid, resolvesToAlreadyValid].some((one) => one === result.status)) {
    return { status: 'built', durationMs: elapsedMs };
  }
  const message = tidy(result.message) || `the daemon answered status ${result.status}`;
  return { status: 'failed', class: failureClass(result.status, message), message };
}

function failureClass(code: number, message: string): FailureClass {
  switch (code) {
    case status.permanentFailure:
    case status.cachedFailure:
      return 'builder-failed';
    case status.inputRejected:
      return 'rejected';
    case status.outputRejected:
      return outputFailure(message);
    case status.hashMismatch:
      return 'hash-mismatch';
    case status.timedOut:
      return /of silence/.test(message) ? 'silent-too-long' : 'timed-out';
    case status.logLimitExceeded:
      return 'log-limit';
    case status.notDeterministic:
      return 'not-deterministic';
    case status.transientFailure:
      if (isDiskFull(message)) return 'disk-full';
      // So a daemon calls every failure of a builder that has the network (a fixed output that cannot be downloaded):
      // the builder ran and failed, and trying for ever would not help it.
      return builderExited(message) ? 'builder-failed' : 'agent-error';
    default:
      if (isDiskFull(message)) return 'disk-full';
      return /dependencies of .* are missing|dependency .* does not exist/.test(message) ||
        code === status.dependencyFailed
        ? 'inputs-missing'
        : 'agent-error';
  }
}

function outputFailure(message: string): FailureClass {
  if (/hash mismatch/i.test(message)) return 'hash-mismatch';
  if (/failed to produce output|did not produce/.test(message)) return 'output-missing';
  // A forbidden reference, a size limit, a suspicious owner or mode: the output is there, and refused.
  return 'rejected';
}

function builderExited(message: string): boolean {
  return /failed with exit code|failed due to signal|failed to produce output/.test(message);
}

/** Without the advice to look at a log that this store does not keep. */
function tidy(message: string): string {
  return plain(message)
    .replace(/^error: /, '')
    .replace(/\n?[^\n]*For full logs, run[^\n]*/, '')
    .trim();
}
