import type { BuildOutcome } from '../../../agent/ports/builder.ts';
import { verdictOnResult } from '../../../domain/build/verdicts/verdict.ts';
import type { WireReader } from '../daemon/wire-reader.ts';
import { protocolVersion } from './handshake.ts';

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

/**
 * The outcome that a result means; `elapsedMs` is how long the client waited, `timeoutSeconds` how long the builder might take.
 * Newer daemons say no more than "timed out" of a builder that was silent for too long: if its time was not up, it was that.
 */
export function outcomeOf(result: BuildResult, elapsedMs: number, timeoutSeconds: number): BuildOutcome {
  const verdict = verdictOnResult(result.status, result.message);
  if (verdict === 'built') return { status: 'built', durationMs: elapsedMs };
  const silent = verdict.class === 'timed-out' && elapsedMs < timeoutSeconds * 1000;
  return { status: 'failed', ...verdict, class: silent ? 'silent-too-long' : verdict.class };
}
