import type { Runtime } from '../coordinator/ports/runtime.ts';
import type { BuilderSession, BuildOutcome, BuildRequest } from './ports/builder.ts';

/** How much later than the builder itself the agent ends a build, so that the builder's own word comes first. */
export interface LimitSlack {
  readonly timeoutSeconds: number;
  readonly maxSilentSeconds: number;
}

/** A builder may print without ending a line; then it is heard by its daemon, and not yet by us. */
const defaultSlack: LimitSlack = { timeoutSeconds: 15, maxSilentSeconds: 60 };

/**
 * Builds within the limits of the request, whatever the builder does about them: it is told them, and cut off if it goes
 * beyond.
 */
export async function buildWithinLimits(
  session: BuilderSession,
  request: BuildRequest,
  runtime: Runtime,
  slack: LimitSlack = defaultSlack,
): Promise<BuildOutcome> {
  const stop = new AbortController();
  let verdict: Extract<BuildOutcome, { status: 'failed' }> | undefined;
  let logBytes = 0;
  let heard = runtime.clock.monotonic();

  function end(failure: 'timed-out' | 'silent-too-long' | 'log-limit', message: string): void {
    verdict ??= { status: 'failed', class: failure, message };
    stop.abort(new Error(message));
  }

  const timeLimit = runtime.timers.after((request.timeoutSeconds + slack.timeoutSeconds) * 1000, () =>
    end('timed-out', `timed out after ${request.timeoutSeconds} seconds`),
  );
  const silentMs = (request.maxSilentSeconds + slack.maxSilentSeconds) * 1000;
  // Moved on when it is due and not with every line of the log.
  let silence: Disposable = runtime.timers.after(silentMs, checkSilence);
  function checkSilence(): void {
    const left = silentMs - (runtime.clock.monotonic() - heard);
    if (left <= 0) end('silent-too-long', `timed out after ${request.maxSilentSeconds} seconds of silence`);
    else silence = runtime.timers.after(left, checkSilence);
  }

  try {
    const outcome = await session.build({
      ...request,
      signal: AbortSignal.any([request.signal, stop.signal]),
      onLog(chunk) {
        heard = runtime.clock.monotonic();
        const room = request.maxLogBytes - logBytes;
        logBytes += chunk.length;
        if (chunk.length > room) end('log-limit', `killed after writing more than ${request.maxLogBytes} bytes of log`);
        return request.onLog(chunk.subarray(0, Math.max(0, room)));
      },
    });
    return outcome.status === 'canceled' && verdict !== undefined && !request.signal.aborted ? verdict : outcome;
  } finally {
    timeLimit[Symbol.dispose]();
    silence[Symbol.dispose]();
  }
}
