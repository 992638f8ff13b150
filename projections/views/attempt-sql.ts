/** Statements on the table of attempts: `?1` is the build, `?2` the number of the attempt. */

/** An attempt whose number is given out a second time starts anew. */
export const putAttempt = `
INSERT OR REPLACE INTO attempts
  (build, attempt, agent, allocated_at, started_at, ended_at, outcome, failure_class, failure_message, log_bytes)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)`;

export const startAttempt = 'UPDATE attempts SET started_at = ?3 WHERE build = ?1 AND attempt = ?2';

/** `?3` when, `?4` outcome, `?5` and `?6` class and message of the failure, `?7` bytes of the log where they are known. */
export const endAttempt = `
UPDATE attempts SET
  ended_at = ?3, outcome = ?4, failure_class = ?5, failure_message = ?6, log_bytes = coalesce(?7, log_bytes)
WHERE build = ?1 AND attempt = ?2`;

/** What still runs when the build has ended is stopped: `?2` when. */
export const cancelAttempts = `
UPDATE attempts SET ended_at = ?2, outcome = 'canceled' WHERE build = ?1 AND outcome = 'running'`;

export const findAttemptStart = 'SELECT started_at FROM attempts WHERE build = ?1 AND attempt = ?2';
