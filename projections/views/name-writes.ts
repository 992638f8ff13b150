import type { Tables } from './tables.ts';

/**
 * The full-text indexes are brought up to date in portions of many rows, not row by row: FTS5 writes what it has collected whenever a
 * transaction ends or a statement with a trigger begins, and merges what it wrote, which makes a name alone cost as much as everything
 * else. Whoever searches looks through the rows after the last whole portion. Where portions end does not depend on how the events are
 * cut into batches.
 */
export const namesPerPortion = 1024;

/** What is to be named up to where; `?1` rows are a portion. */
const namesDue = `
SELECT
  (SELECT max(seq) FROM builds) / ?1 * ?1 AS builds,
  (SELECT seq FROM sqlite_sequence WHERE name = 'items') / ?1 * ?1 AS items,
  coalesce((SELECT seq FROM named WHERE list = 'builds'), 0) AS named_builds,
  coalesce((SELECT seq FROM named WHERE list = 'items'), 0) AS named_items`;

const nameBuilds = `
INSERT INTO build_names (rowid, name)
SELECT b.seq, d.name FROM builds AS b CROSS JOIN derivations AS d ON d.id = b.derivation
WHERE b.seq > ?1 AND b.seq <= ?2`;

const nameItems = `
INSERT INTO item_names (rowid, name)
SELECT i.seq, substr(i.path, 34) FROM items AS i WHERE i.seq > ?1 AND i.seq <= ?2`;

const markNamed = 'INSERT OR REPLACE INTO named (list, seq) VALUES (?1, ?2)';

/** To be called last in each transaction that has written anything else. */
export function nameRows(tables: Tables, portion: number): void {
  const due = tables.get(namesDue, [portion]);
  for (const [list, name] of [['builds', nameBuilds] as const, ['items', nameItems] as const]) {
    const [after, upTo] = [Number(due?.[`named_${list}`]), Number(due?.[list] ?? 0)];
    if (upTo <= after) continue;
    tables.run(name, [after, upTo]);
    tables.run(markNamed, [list, upTo]);
  }
}
