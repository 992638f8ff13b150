/** Statements on the table of builds: `?1` is the build. */

/** `?4` is the hash part of the derivation; no row is added where that is not in its table yet. */
export const addBuild = `
INSERT OR IGNORE INTO builds (id, submitted_at, submission, derivation, system, reason, priority, tags, options, changed_at, changed)
SELECT ?1, ?2, ?3, id, system, ?5, ?6, ?7, ?8, ?2, ?9 FROM derivations WHERE hash = ?4`;

export const tagBuild = 'INSERT OR IGNORE INTO build_tags (term, seq) SELECT ?2, seq FROM builds WHERE id = ?1';

/** What events change of a build. */
export const findBuild = `
SELECT seq, submission, state, priority, options, attempt, agent, started_at, ended_at, failure_class, failure_message
FROM builds WHERE id = ?1`;

/** Columns of which an index is written anew where a statement names them, whatever is in them. */
export const indexedColumns = ['state', 'agent', 'ended_at'] as const;
export type IndexedColumn = (typeof indexedColumns)[number];

/** `?1` is the `seq` here, and after `?9` come the values of the columns that are named. */
export function changeBuild(named: readonly IndexedColumn[]): string {
  const key = named.join();
  const known = changes.get(key);
  if (known !== undefined) return known;
  const columns = ['priority', 'options', 'attempt', 'started_at', 'failure_class', 'failure_message', 'changed_at'];
  const all = [...columns, 'changed', ...named].map((column, index) => `${column} = ?${index + 2}`);
  const sql = `UPDATE builds SET ${all.join(', ')} WHERE seq = ?1`;
  changes.set(key, sql);
  return sql;
}
const changes = new Map<string, string>();

export const countBuilds = `
INSERT INTO submission_counts (submission, queued, allocated, running, succeeded, failed, canceled)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT (submission) DO UPDATE SET
  queued = queued + excluded.queued,
  allocated = allocated + excluded.allocated,
  running = running + excluded.running,
  succeeded = succeeded + excluded.succeeded,
  failed = failed + excluded.failed,
  canceled = canceled + excluded.canceled`;
