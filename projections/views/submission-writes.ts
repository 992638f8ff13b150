import type { SubmissionEvent } from '../../domain/submission/events.ts';
import type { Write } from './write.ts';

export const addSubmission =
  'INSERT OR IGNORE INTO submissions (id, received_at, roots, first_root, reason) VALUES (?1, ?2, ?3, ?4, ?5)';
export const addRoots = 'UPDATE submissions SET first_root = ?2 WHERE id = ?1 AND first_root IS NULL';
export const queueSubmission = 'UPDATE submissions SET queued_at = ?2 WHERE id = ?1';

export const cancelSubmission =
  'UPDATE submissions SET canceled_at = ?2, canceled_by = ?3, canceled_reason = ?4 WHERE id = ?1';

export const addJoined = 'INSERT OR IGNORE INTO joined (submission, build) VALUES (?1, ?2)';

export const setAsideSubmission = 'UPDATE submissions SET set_aside = ?2 WHERE id = ?1';

/**
 * @param id of the submission, from its stream.
 * @param at when the event was stored, milliseconds since the Unix epoch.
 * @param actor who did it.
 */
export function submissionWrites(event: SubmissionEvent, id: string, at: number, actor: string): readonly Write[] {
  switch (event.type) {
    case 'SubmissionReceived': {
      const { rootCount, roots, reason } = event.data;
      return [{ sql: addSubmission, values: [id, at, rootCount, roots[0] ?? null, reason] }];
    }
    case 'SubmissionRootsAdded':
      return [{ sql: addRoots, values: [id, event.data.roots[0] ?? null] }];
    case 'SubmissionQueued':
      return [{ sql: queueSubmission, values: [id, at] }];
    case 'SubmissionSetAside':
      return [{ sql: setAsideSubmission, values: [id, event.data.reason] }];
    case 'SubmissionResumed':
      return [{ sql: setAsideSubmission, values: [id, null] }];
    case 'SubmissionCanceled':
      return [{ sql: cancelSubmission, values: [id, at, actor, event.data.reason ?? null] }];
    case 'SubmissionJoined':
      return event.data.builds.map((build) => ({ sql: addJoined, values: [id, build] }));
  }
}
