import type { Views } from '../../../coordinator/ports/views.ts';
import { readBuild, readBuilds, readLogs, readResults } from './build-reads.ts';
import type { Database } from './database.ts';
import { readEarlier, readKnownEarlier } from './earlier-reads.ts';
import { readIds } from './id-reads.ts';
import { readItem, readItems, readItemsAt } from './item-reads.ts';
import { readMarks } from './mark-reads.ts';
import { readJoinedBuilds, readSubmission, readSubmissions } from './submission-reads.ts';

/** What can be asked of the tables. */
export type ViewReads = Omit<Views, 'reached' | 'stored' | 'lag' | 'trouble' | 'rebuild' | typeof Symbol.asyncDispose>;

/** @param read runs a question on the tables as they are now. */
export function createViewReads(read: <Result>(run: (db: Database) => Result) => Result): ViewReads {
  return {
    builds: (filter, paging) => read((db) => readBuilds(db, filter, paging)),
    build: (id) => read((db) => readBuild(db, id)),
    results: (tag, limit) => read((db) => readResults(db, tag, limit)),
    ids: (kind, prefix, limit) => read((db) => readIds(db, kind, prefix, limit)),
    earlierBuilds: (filter, paging) => read((db) => readEarlier(db, filter, paging)),
    knownEarlier: (source, ids) => read((db) => readKnownEarlier(db, source, ids)),
    logsOf: (derivation) => read((db) => readLogs(db, derivation)),
    items: (filter, paging) => read((db) => readItems(db, filter, paging)),
    itemsAt: (address) => read((db) => readItemsAt(db, address)),
    item: (hashPart) => read((db) => readItem(db, hashPart)),
    submissions: (paging, wanted) => read((db) => readSubmissions(db, paging, wanted)),
    submission: (id) => read((db) => readSubmission(db, id)),
    joinedBuilds: (id) => read((db) => readJoinedBuilds(db, id)),
    marks: (isBefore) => read((db) => readMarks(db, isBefore)),
  };
}
