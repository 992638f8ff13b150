import type { DroverEvent } from '../../domain/events.ts';

/**
 * What an event of a build, of one of its outputs, or of who asked for it says, as a sentence without names of who did it. A message of
 * several lines is given as it is.
 */
export function wordsOf(event: DroverEvent, agentOf: (attempt: number) => string | undefined): string {
  const on = (attempt: number): string => `attempt ${attempt} on ${agentOf(attempt) ?? 'an agent'}`;
  switch (event.type) {
    case 'SubmissionReceived': {
      const { rootCount, reason, force } = event.data;
      return `a submission of ${rootCount} ${rootCount === 1 ? 'root' : 'roots'} was received (${reason}${force ? ', with force' : ''})`;
    }
    case 'BuildSubmitted':
      return `submitted with priority ${event.data.options.priority} (${reasons[event.data.reason]})`;
    case 'BuildPrioritized':
      return `its priority was changed to ${event.data.priority}`;
    case 'BuildDeferred': {
      const { until, submission } = event.data;
      const why = submission === undefined ? because(event.data) : `, as the submission ${submission} wants it sooner`;
      return until === undefined
        ? `it is not deferred any more${why}`
        : `deferred: it may start from ${new Date(until).toISOString()} on${why}`;
    }
    case 'BuildAllocated':
      return `${on(event.data.attempt)} was allocated`;
    case 'BuildStarted':
      return `${on(event.data.attempt)} has its inputs and starts the builder`;
    case 'BuildSetupFailed': {
      const { attempt, class: failure, message, missing = [] } = event.data;
      const lacked = missing.length === 0 ? '' : ` (${missing.length} inputs were really not there)`;
      return `${on(attempt)} could not start${lacked}: ${failure}: ${message}`;
    }
    case 'BuildAttemptFailed':
      return `${on(event.data.attempt)} failed: ${event.data.class}: ${event.data.message}`;
    case 'BuildRetryScheduled':
      return `attempt ${event.data.attempt} may start from ${new Date(event.data.notBefore).toISOString()} on`;
    case 'BuildReleased':
      return `attempt ${event.data.attempt} was taken back from ${event.data.agent}: ${event.data.reason}`;
    case 'BuildAttemptKept':
      return `${event.data.agent} came back with attempt ${event.data.attempt}, which counts if it ends first`;
    case 'BuildSucceeded':
      return `${on(event.data.attempt)} succeeded`;
    case 'BuildSatisfied':
      return event.data.upstreams === undefined
        ? 'something else made all its outputs available: it needs no attempt'
        : `its outputs were found upstream (${event.data.upstreams.join(', ')}): it needs no attempt`;
    case 'BuildFailed':
      return `failed for good${event.data.cause === undefined ? '' : ` (${event.data.cause})`}: ${event.data.class}: ${event.data.message}`;
    case 'BuildCanceled':
      return `${event.data.unwanted ? 'ended, as nobody wants it any more' : 'cancelled'}${because(event.data)}`;
    case 'BuildWantWithdrawn':
      return `cancelled for the submission ${event.data.submission}${because(event.data)}; it goes on, as others want it`;
    case 'OutputsDiverged':
      return `${on(event.data.attempt)} made other bytes of output ${event.data.output} than the pool has, which it keeps`;
    case 'StoreItemAdded': {
      const { path, narSize, file, signatures } = event.data;
      const keys = signatures.map((signature) => signature.slice(0, signature.indexOf(':')));
      const signed = keys.length === 0 ? 'not signed' : `signed by ${keys.join(', ')}`;
      return `${path} was uploaded and verified: ${narSize} bytes, ${file.size} as ${file.compression}, ${signed}`;
    }
    case 'StoreItemUnpublished':
      return `${event.data.path} was unpublished, its bytes stay until ${new Date(event.data.until).toISOString()}: ${event.data.reason}`;
    case 'StoreItemDeleted':
      return `${event.data.path} was deleted: ${event.data.reason}`;
    case 'StoreItemMissing':
      return `${event.data.path} went missing: ${event.data.reason}`;
    default:
      return event.type;
  }
}

function because({ reason }: { readonly reason?: string | undefined }): string {
  return reason === undefined ? '' : `: ${reason}`;
}

const reasons = {
  requested: 'asked for by the submission',
  input: 'as an input of what the submission asked for',
  rebuild: 'as an output that is needed went missing',
  retry: 'as a retry of one that failed or was cancelled',
} as const;
