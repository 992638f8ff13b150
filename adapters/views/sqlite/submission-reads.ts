import {
  type BuildViewState,
  buildStates,
  type Page,
  type Paging,
  type SubmissionRow,
} from '../../../coordinator/ports/views.ts';
import type { SqlValue } from '../../../projections/views/write.ts';
import { readPaging, writeCursor } from './cursor.ts';
import type { Database } from './database.ts';
import { type ListPlan, pageStatement, readPage, scanLimit } from './list-page.ts';

const columns = `, s.id, s.received_at, s.queued_at, s.roots, s.first_root, s.reason, s.set_aside, s.canceled_at, s.canceled_by, s.canceled_reason,
  c.queued, c.allocated, c.running, c.succeeded, c.failed, c.canceled`;
const joins = 'LEFT JOIN submission_counts AS c ON c.submission = s.id';
const selectSubmission = `SELECT s.seq${columns} FROM submissions AS s ${joins} WHERE s.id = ?1`;

const plan: ListPlan = {
  kind: 'submissions',
  columns,
  joins,
  sources: [{ from: 'submissions AS s NOT INDEXED', seq: 's.seq', where: [] }],
  rest: [],
};

/** @param wanted what the views do not know; a page on which few are may be short, even empty, and still have a `next`. */
export function readSubmissions(
  db: Database,
  paging: Paging,
  wanted?: (row: SubmissionRow) => boolean,
): Page<SubmissionRow> {
  if (wanted === undefined) return readPage(db, plan, paging, toSubmissionRow);
  const { limit, before } = readPaging(plan.kind, paging);
  const { sql, values } = pageStatement(plan, before, 0, scanLimit);
  const found = db.prepare(sql).all(...values) as Record<string, SqlValue>[];
  const rows: SubmissionRow[] = [];
  for (const raw of found) {
    const row = toSubmissionRow(raw);
    if (wanted(row)) rows.push(row);
    if (rows.length === limit) return { rows, next: writeCursor(plan.kind, Number(raw.seq)) };
  }
  return found.length < scanLimit ? { rows } : { rows, next: writeCursor(plan.kind, Number(found.at(-1)?.seq)) };
}

export function readSubmission(db: Database, id: string): SubmissionRow | undefined {
  const raw = db.prepare(selectSubmission).get(id);
  return raw && toSubmissionRow(raw as Record<string, SqlValue>);
}

const countJoined =
  'SELECT b.state, count(*) AS builds FROM joined AS j JOIN builds AS b ON b.id = j.build WHERE j.submission = ?1 GROUP BY b.state';

export function readJoinedBuilds(db: Database, submission: string): Record<BuildViewState, number> {
  const counts = Object.fromEntries(buildStates.map((state) => [state, 0])) as Record<BuildViewState, number>;
  for (const { state, builds } of db.prepare(countJoined).all(submission) as {
    state: BuildViewState;
    builds: number;
  }[])
    counts[state] = builds;
  return counts;
}

function toSubmissionRow(raw: Record<string, SqlValue>): SubmissionRow {
  // A submission without a build has no row of counts.
  const counts = Object.fromEntries(buildStates.map((state) => [state, Number(raw[state] ?? 0)]));
  return {
    id: raw.id as string,
    receivedAt: raw.received_at as number,
    queuedAt: raw.queued_at as number | null,
    state: stateOf(raw),
    setAside: raw.set_aside as string | null,
    canceled:
      raw.canceled_at === null
        ? null
        : {
            at: raw.canceled_at as number,
            by: raw.canceled_by as string,
            reason: raw.canceled_reason as string | null,
          },
    roots: raw.roots as number,
    derivation: raw.first_root as string | null,
    reason: raw.reason as string,
    counts: counts as Record<BuildViewState, number>,
  };
}

function stateOf(raw: Record<string, SqlValue>): SubmissionRow['state'] {
  if (raw.canceled_at !== null) return 'canceled';
  if (raw.queued_at !== null) return 'queued';
  return raw.set_aside !== null ? 'set-aside' : 'under-way';
}
