import type { SubmissionEvent } from './events.ts';

/** What a submission's events say of whether it still wants anything. */
export type SubmissionStatus = 'none' | 'received' | 'queued' | 'canceled';

export function evolveSubmission(status: SubmissionStatus, event: SubmissionEvent): SubmissionStatus {
  switch (event.type) {
    case 'SubmissionReceived':
      return 'received';
    case 'SubmissionQueued':
      return status === 'canceled' ? status : 'queued';
    case 'SubmissionCanceled':
      return 'canceled';
    default:
      return status;
  }
}
