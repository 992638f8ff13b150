import {
  type AttemptRow,
  type BuildDetail,
  type BuildFilter,
  type BuildRow,
  type BuildViewState,
  earlierShown,
  mostAmong,
  type Page,
  type Paging,
  resultsSearched,
} from '../../../coordinator/ports/views.ts';
import { hashPart } from '../../../projections/views/derivation-writes.ts';
import type { SqlValue } from '../../../projections/views/write.ts';
import { buildColumns, buildJoins, planBuilds } from './build-plan.ts';
import { readPaging } from './cursor.ts';
import type { Database } from './database.ts';
import { readEarlier } from './earlier-reads.ts';
import { readPage } from './list-page.ts';

const selectBuild = `SELECT d.outputs${buildColumns} FROM builds AS b ${buildJoins} WHERE b.id = ?1`;
const selectIdAt = 'SELECT id FROM builds WHERE seq >= ?1 ORDER BY seq LIMIT 1';
const selectSeq = 'SELECT seq FROM builds WHERE id = ?1';
const countChanged = `SELECT count(*) AS rows FROM
  (SELECT 1 FROM builds INDEXED BY builds_by_change WHERE changed_at >= ?1 AND changed_at < ?2 LIMIT ?3)`;
const countJoined = 'SELECT count(*) AS rows FROM (SELECT 1 FROM joined WHERE submission = ?1 LIMIT ?2)';
const selectResults = `
SELECT b.seq${buildColumns}
FROM (
  SELECT seq FROM builds INDEXED BY builds_by_end WHERE ended_at IS NOT NULL ORDER BY ended_at DESC, seq DESC LIMIT ?1
) AS last CROSS JOIN builds AS b ON b.seq = last.seq ${buildJoins}
WHERE ?2 IS NULL OR EXISTS (SELECT 1 FROM build_tags AS t WHERE t.term = ?2 AND t.seq = b.seq)
ORDER BY b.ended_at DESC, b.seq DESC LIMIT ?3`;
const selectAttempts = 'SELECT * FROM attempts WHERE build = ?1 ORDER BY attempt';
/** More of them have no log only where nothing was built again and again. */
const mostLogs = 50;

const selectLogs = `
SELECT b.id AS build, a.attempt
FROM builds AS b INDEXED BY builds_by_derivation CROSS JOIN attempts AS a ON a.build = b.id
WHERE b.derivation = (SELECT id FROM derivations WHERE hash = ?1 AND path = ?2) AND a.started_at IS NOT NULL
ORDER BY b.seq DESC, a.attempt DESC LIMIT ${mostLogs}`;

export function readBuilds(db: Database, filter: BuildFilter, paging: Paging): Page<BuildRow> {
  const { before } = readPaging('builds', paging);
  const among = filter.among?.(db.prepare(selectIdAt).get(before)?.id as string | undefined);
  const plan = planBuilds(filter, { changes: areFewChanges(db, filter), joined: areFewJoined(db, filter) }, among);
  if (plan === undefined) return { rows: [] };
  // Where there may be more of them, the page ends with the last one that is named.
  const last = among !== undefined && among.length >= mostAmong ? among.at(-1) : undefined;
  const least = last === undefined ? 0 : Number(db.prepare(selectSeq).get(last)?.seq ?? 0);
  return readPage(db, plan, paging, toBuildRow, least);
}

const mostSorted = 2000;

function areFewChanges(db: Database, { since, until }: BuildFilter): boolean {
  if (since === undefined && until === undefined) return false;
  const found = db.prepare(countChanged).get(since ?? 0, until ?? Number.MAX_SAFE_INTEGER, mostSorted + 1);
  return Number(found?.rows) <= mostSorted;
}

function areFewJoined(db: Database, { joinedBy }: BuildFilter): boolean {
  return joinedBy !== undefined && Number(db.prepare(countJoined).get(joinedBy, mostSorted + 1)?.rows) <= mostSorted;
}

export function readBuild(db: Database, id: string): BuildDetail | undefined {
  const raw = db.prepare(selectBuild).get(id);
  if (raw === undefined) return undefined;
  const earlier = readEarlier(db, { derivation: String(raw.derivation) }, { limit: earlierShown }).rows;
  return {
    ...toBuildRow(raw as RawBuild),
    outputs: JSON.parse(String(raw.outputs)),
    attempts: db
      .prepare(selectAttempts)
      .all(id)
      .map((attempt) => toAttemptRow(attempt as RawAttempt)),
    options: raw.options === null ? {} : JSON.parse(String(raw.options)),
    ...(earlier.length > 0 && { earlier }),
  };
}

export function readResults(db: Database, tag: string | undefined, limit: number): BuildRow[] {
  return db
    .prepare(selectResults)
    .all(resultsSearched, tag ?? null, limit)
    .map((raw) => toBuildRow(raw as RawBuild));
}

/** The last attempt that was started, of the last build that has one. */
export function readLogs(db: Database, derivation: string): readonly { build: string; attempt: number }[] {
  return db
    .prepare(selectLogs)
    .all(hashPart(derivation), derivation)
    .map(({ build, attempt }) => ({ build: String(build), attempt: Number(attempt) }));
}

type RawBuild = Record<string, SqlValue>;
type RawAttempt = Record<string, SqlValue>;

function toBuildRow(raw: RawBuild): BuildRow {
  return {
    id: raw.id as string,
    derivation: raw.derivation as string,
    system: raw.system as string,
    submission: raw.submission as string,
    state: raw.state as BuildViewState,
    reason: raw.reason as string,
    priority: raw.priority as number,
    tags: raw.tags === null ? {} : JSON.parse(raw.tags as string),
    attempt: raw.attempt as number,
    agent: raw.agent as string | null,
    submittedAt: raw.submitted_at as number,
    startedAt: raw.started_at as number | null,
    endedAt: raw.ended_at as number | null,
    failure: toFailure(raw),
    changedAt: raw.changed_at as number,
  };
}

function toAttemptRow(raw: RawAttempt): AttemptRow {
  return {
    attempt: raw.attempt as number,
    agent: raw.agent as string,
    allocatedAt: raw.allocated_at as number,
    startedAt: raw.started_at as number | null,
    endedAt: raw.ended_at as number | null,
    outcome: raw.outcome as string,
    failure: toFailure(raw),
    logBytes: raw.log_bytes as number | null,
  };
}

function toFailure(raw: Record<string, SqlValue>): BuildRow['failure'] {
  return raw.failure_class === null
    ? null
    : { class: raw.failure_class as string, message: raw.failure_message as string };
}
