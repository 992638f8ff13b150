import type { HistoryEvent } from '../../domain/history/events.ts';
import { derivationName, hashPart, noteDerivation } from './derivation-writes.ts';
import type { Write } from './write.ts';

export const addSource = 'INSERT OR IGNORE INTO earlier_sources (name) VALUES (?1)';

/** What was told of a build first stays. */
export const addEarlier = `
INSERT OR IGNORE INTO earlier_builds (source, id, derivation, outcome, system, agent, submitted_at, started_at, ended_at, message, recorded_at)
SELECT s.id, ?2, d.id, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11 FROM earlier_sources AS s CROSS JOIN derivations AS d WHERE s.name = ?1 AND d.hash = ?3`;

/** @param at when the event was stored, milliseconds since the Unix epoch. */
export function earlierWrites({ data }: HistoryEvent, source: string, at: number): readonly Write[] {
  const writes: Write[] = [{ sql: addSource, values: [source] }];
  for (const build of data.builds) {
    const { id, derivation, outcome, system = null, agent = null } = build;
    const { submittedAt = null, startedAt = null, endedAt = null, message = null } = build;
    const hash = hashPart(derivation);
    writes.push(
      { sql: noteDerivation, values: [hash, derivation, derivationName(derivation)] },
      {
        sql: addEarlier,
        values: [source, id, hash, outcome, system, agent, submittedAt, startedAt, endedAt, message, at],
      },
    );
  }
  return writes;
}
