import type { Decision } from '../event.ts';
import type { SubmissionEvent } from './events.ts';
import type { SubmissionStatus } from './state.ts';

export interface CancelSubmission {
  readonly type: 'cancel';
  readonly reason: string | undefined;
  /** Whether one of its builds, of those that it joined, or of what it has yet to queue is not over. */
  readonly underWay: boolean;
}

export type SubmissionRefusal = 'unknown-submission' | 'submission-ended';

/** Decides a wish about one submission. A repeat is granted with no events. */
export function decideSubmission(
  status: SubmissionStatus,
  command: CancelSubmission,
): Decision<SubmissionEvent, SubmissionRefusal> {
  if (status === 'none') return { refused: 'unknown-submission' };
  if (status === 'canceled') return { events: [] };
  if (status === 'queued' && !command.underWay) return { refused: 'submission-ended' };
  const data = command.reason === undefined ? {} : { reason: command.reason };
  return { events: [{ type: 'SubmissionCanceled', data }] };
}
