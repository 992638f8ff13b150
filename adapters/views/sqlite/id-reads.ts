import type { FoundId, IdKind } from '../../../coordinator/ports/views.ts';
import { hashPart } from '../../../projections/views/derivation-writes.ts';
import type { Database } from './database.ts';

/** Ids are ASCII: this comes after all that begin so. */
const after = '\u007f';

/** By the unique index of each table, so that it takes no longer where there are many. */
const statements: Readonly<Record<IdKind, string>> = {
  builds: `SELECT b.id, d.path AS name FROM builds AS b CROSS JOIN derivations AS d ON d.id = b.derivation
    WHERE b.id >= ?1 AND b.id < ?2 ORDER BY b.id DESC LIMIT ?3`,
  submissions: `SELECT id, first_root AS name FROM submissions
    WHERE id >= ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3`,
  items: 'SELECT path AS id, path AS name FROM items WHERE hash >= ?1 AND hash < ?2 ORDER BY hash LIMIT ?3',
  derivations: 'SELECT path AS id, path AS name FROM derivations WHERE hash >= ?1 AND hash < ?2 ORDER BY hash LIMIT ?3',
};
/** Of these the index has the hash; whoever gives more of the path has given all of that. */
const byHash: readonly IdKind[] = ['items', 'derivations'];

export function readIds(db: Database, kind: IdKind, prefix: string, limit: number): FoundId[] {
  const start = byHash.includes(kind) ? hashPart(prefix) : prefix;
  return db
    .prepare(statements[kind])
    .all(start, start + after, limit)
    .map(({ id, name }) => ({ id: String(id), name: name === null ? null : String(name) }))
    .filter(({ id }) => id.startsWith(prefix));
}
