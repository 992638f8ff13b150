import type { Write } from './write.ts';

/**
 * The full-text indexes are brought up to date at the end of each transaction, not row by row: FTS5 writes what it
 * has collected whenever a statement with a trigger begins, which made each name cost as much as everything else.
 */

export const nameBuilds = `
INSERT INTO build_names (rowid, name)
SELECT b.seq, d.name FROM builds AS b CROSS JOIN derivations AS d ON d.id = b.derivation
WHERE b.seq > coalesce((SELECT seq FROM named WHERE list = 'builds'), 0)`;

export const nameItems = `
INSERT INTO item_names (rowid, name)
SELECT i.seq, substr(i.path, 34) FROM items AS i
WHERE i.seq > coalesce((SELECT seq FROM named WHERE list = 'items'), 0)`;

export const markNamed = `
INSERT OR REPLACE INTO named (list, seq)
SELECT 'builds', seq FROM (SELECT max(seq) AS seq FROM builds) WHERE seq IS NOT NULL
UNION ALL SELECT 'items', seq FROM sqlite_sequence WHERE name = 'items'`;

/** To be written last in each transaction that has written anything else. */
export const nameWrites: readonly Write[] = [nameBuilds, nameItems, markNamed].map((sql) => ({ sql, values: [] }));
