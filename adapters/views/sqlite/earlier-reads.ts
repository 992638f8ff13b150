import type { EarlierBuildRow, EarlierFilter, Page, Paging } from '../../../coordinator/ports/views.ts';
import type { SqlValue } from '../../../projections/views/write.ts';
import type { Database } from './database.ts';
import { type ListPlan, readPage } from './list-page.ts';

const columns =
  ', s.name AS source, e.id, d.path AS derivation, e.outcome, e.system, e.agent, e.submitted_at, e.started_at, e.ended_at, e.message, e.recorded_at';
const joins = 'JOIN earlier_sources AS s ON s.id = e.source JOIN derivations AS d ON d.id = e.derivation';
const selectKnown = `
SELECT each.value AS id FROM json_each(?2) AS each
JOIN earlier_builds AS e ON e.id = each.value AND e.source = (SELECT id FROM earlier_sources WHERE name = ?1)`;

export function readEarlier(db: Database, filter: EarlierFilter, paging: Paging): Page<EarlierBuildRow> {
  const { derivation, source } = filter;
  const plan: ListPlan = {
    kind: 'earlier-builds',
    columns,
    joins,
    sources: [
      derivation === undefined
        ? { from: 'earlier_builds AS e NOT INDEXED', seq: 'e.seq', where: [] }
        : {
            from: 'earlier_builds AS e INDEXED BY earlier_by_derivation',
            seq: 'e.seq',
            where: [
              {
                sql: 'e.derivation = (SELECT id FROM derivations WHERE path = ? AND hash = ?)',
                values: [derivation, derivation.slice(0, 32)],
              },
            ],
          },
    ],
    rest:
      source === undefined
        ? []
        : [{ sql: 'e.source = (SELECT id FROM earlier_sources WHERE name = ?)', values: [source] }],
  };
  return readPage(db, plan, paging, toEarlierRow);
}

/** Those of the ids of a source's builds that are there. */
export function readKnownEarlier(db: Database, source: string, ids: readonly string[]): ReadonlySet<string> {
  return new Set(
    db
      .prepare(selectKnown)
      .all(source, JSON.stringify(ids))
      .map(({ id }) => String(id)),
  );
}

function toEarlierRow(raw: Record<string, SqlValue>): EarlierBuildRow {
  return {
    source: raw.source as string,
    id: raw.id as string,
    derivation: raw.derivation as string,
    outcome: raw.outcome as EarlierBuildRow['outcome'],
    system: raw.system as string | null,
    agent: raw.agent as string | null,
    submittedAt: raw.submitted_at as number | null,
    startedAt: raw.started_at as number | null,
    endedAt: raw.ended_at as number | null,
    message: raw.message as string | null,
    recordedAt: raw.recorded_at as number,
  };
}
