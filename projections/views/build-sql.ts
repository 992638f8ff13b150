/**
 * Statements on the table of builds: `?1` is the build. A build that has ended stays in its end state, and what is
 * heard of an attempt moves its build only while that is the last attempt.
 */

/** `?4` is the hash part of the derivation, which is in its table already. */
export const addBuild = `
INSERT OR IGNORE INTO builds (id, submitted_at, submission, derivation, system, reason, priority, tags, options, changed_at, changed)
SELECT ?1, ?2, ?3, id, system, ?5, ?6, ?7, ?8, ?2, ?9 FROM derivations WHERE hash = ?4`;

export const tagBuild = 'INSERT OR IGNORE INTO build_tags (term, seq) SELECT ?2, seq FROM builds WHERE id = ?1';

/** Whatever the event was: `?2` when it happened, `?3` its position. */
export const touchBuild = 'UPDATE builds SET changed_at = ?2, changed = ?3 WHERE id = ?1';

export const prioritizeBuild = 'UPDATE builds SET priority = ?2 WHERE id = ?1';
/** A member that is `null` is taken out; where nothing is left, there are no options. */
export const deferBuild = `
UPDATE builds SET options = nullif(json_patch(coalesce(options, '{}'), json_object('deferUntil', CAST(?2 AS INTEGER))), '{}') WHERE id = ?1`;

export const allocateBuild = `
UPDATE builds SET state = 'allocated', attempt = ?2, agent = ?3, started_at = NULL
WHERE id = ?1 AND ended_at IS NULL`;

export const startBuild = `
UPDATE builds SET state = 'running', started_at = ?3
WHERE id = ?1 AND attempt = ?2 AND ended_at IS NULL`;

export const queueBuild = `
UPDATE builds SET state = 'queued'
WHERE id = ?1 AND attempt = ?2 AND ended_at IS NULL`;

export const queueFailedBuild = `
UPDATE builds SET state = 'queued', failure_class = ?3, failure_message = ?4
WHERE id = ?1 AND attempt = ?2 AND ended_at IS NULL`;

/** The attempt that succeeded may be an earlier one than the last (I4): then the row tells of that one. */
export const succeedBuild = `
UPDATE builds SET
  state = 'succeeded',
  started_at = CASE WHEN attempt = ?2 THEN started_at
    ELSE (SELECT a.started_at FROM attempts AS a WHERE a.build = ?1 AND a.attempt = ?2) END,
  attempt = ?2,
  agent = ?3,
  ended_at = ?4,
  failure_class = NULL,
  failure_message = NULL
WHERE id = ?1`;

/** Without an attempt of its own that succeeded. */
export const satisfyBuild = `
UPDATE builds SET state = 'succeeded', ended_at = ?2, failure_class = NULL, failure_message = NULL
WHERE id = ?1`;

export const failBuild = `
UPDATE builds SET state = 'failed', ended_at = ?2, failure_class = ?3, failure_message = ?4
WHERE id = ?1`;

export const cancelBuild = `
UPDATE builds SET state = 'canceled', ended_at = ?2
WHERE id = ?1`;
