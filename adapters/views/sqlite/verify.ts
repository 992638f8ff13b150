import { existsSync } from 'node:fs';
import { DroverError } from '../../../coordinator/errors.ts';
import type { EventStore, Position } from '../../../coordinator/ports/event-store.ts';
import type { Difference } from '../../../coordinator/ports/views.ts';
import { schemaVersion } from '../../../projections/views/schema.ts';
import { applyBatch } from './apply-batch.ts';
import { type Database, openForReading, openTemporary, readCheckpoint } from './database.ts';
import { viewsFile } from './remembered.ts';

/** Each table, and what names a row of it for people. */
const tables: Readonly<Record<string, readonly string[]>> = {
  derivations: ['hash'],
  builds: ['id'],
  build_tags: ['term', 'seq'],
  attempts: ['build', 'attempt'],
  submissions: ['id'],
  submission_counts: ['submission'],
  joined: ['submission', 'build'],
  items: ['hash'],
  item_addresses: ['address', 'hash'],
  earlier_sources: ['name'],
  earlier_builds: ['id', 'source'],
  named: ['list'],
  marks: ['seq'],
};
/** Full-text indexes: which rows are under which trigram. */
const indexes = ['build_names', 'item_names'];

export type VerifyStep =
  | { readonly kind: 'read'; readonly events: number }
  | { readonly kind: 'compared'; readonly rows: number }
  | ({ readonly kind: 'difference' } & Difference);

/**
 * Holds the views of a folder against what the log gives from its first event on, row by row, beside a coordinator that keeps them or
 * without one. They are read as they are at one moment. Throws where there are none that this version can read.
 */
export async function* verifyViews(
  dir: string,
  log: Pick<EventStore, 'readAll'>,
  signal: AbortSignal,
): AsyncGenerator<VerifyStep> {
  const file = viewsFile(dir);
  if (!existsSync(file))
    throw new DroverError('not-found', `expected views in ${file}: the next start of the coordinator makes them`);
  using anew = openTemporary();
  let checkpoint: Position | undefined;
  let events = 0;

  /** Takes in the log up to a position. */
  async function* readTo(place: Position | undefined): AsyncGenerator<VerifyStep> {
    if (place === undefined || place === checkpoint) return;
    for await (const batch of log.readAll({ ...(checkpoint !== undefined && { after: checkpoint }), signal })) {
      const wanted = batch.events.filter(({ position }) => position <= place);
      const isLast = batch.checkpoint >= place;
      checkpoint = isLast ? place : batch.checkpoint;
      applyBatch(anew, wanted, checkpoint);
      events += wanted.length;
      yield { kind: 'read', events };
      if (isLast) return;
    }
    if (!signal.aborted)
      throw new DroverError(
        'not-ready',
        `expected the log to go on to ${place}, where the views are, but it ends before`,
      );
  }

  {
    using views = openOf(file);
    const place = checkpointOf(views);
    yield* readTo(place);
  }
  // What they have taken in meanwhile is little, so they are held at one moment only for as long as it takes to compare.
  using views = openOf(file);
  views.prepare('BEGIN').run();
  const place = checkpointOf(views);
  if (checkpoint !== undefined && (place === undefined || place < checkpoint))
    throw new DroverError('not-ready', 'the views were made anew meanwhile: try again once they have caught up');
  yield* readTo(place);
  if (signal.aborted) return;
  let rows = 0;
  for (const [table, key] of Object.entries(tables)) {
    const sql = `SELECT * FROM ${table} ORDER BY ${key.join(', ')}`;
    for (const step of compare(table, key, anew.prepare(sql).iterate(), views.prepare(sql).iterate())) {
      if (step !== undefined) yield { kind: 'difference', ...step };
      if (++rows % 5000 === 0) yield { kind: 'compared', rows };
    }
  }
  for (const index of indexes) {
    const terms = (db: Database) => {
      db.prepare(`CREATE VIRTUAL TABLE temp.${index}_terms USING fts5vocab (main, ${index}, instance)`).run();
      return db.prepare(`SELECT term, doc FROM temp.${index}_terms`).iterate();
    };
    const [given, there] = [terms(anew), terms(views)];
    for (const step of compare(index, ['term', 'doc'], given, there)) {
      if (step !== undefined) yield { kind: 'difference', ...step };
      if (++rows % 5000 === 0) yield { kind: 'compared', rows };
    }
  }
  yield { kind: 'compared', rows };
}

function openOf(file: string): Database {
  const db = openForReading(file);
  if (db.prepare('PRAGMA user_version').get()?.user_version === schemaVersion) return db;
  db[Symbol.dispose]();
  throw new DroverError('not-ready', `expected ${file} to be of this version of drover: the next start makes it anew`);
}

function checkpointOf(db: Database): Position | undefined {
  return (db.prepare(readCheckpoint).get()?.checkpoint ?? undefined) as Position | undefined;
}

type Row = Record<string, unknown>;

/** Two tables in the order of their key, in one pass; one step for each row, `undefined` where it is the same in both. */
function* compare(
  view: string,
  key: readonly string[],
  given: Iterator<unknown>,
  there: Iterator<unknown>,
): Generator<Difference | undefined> {
  const next = (from: Iterator<unknown>): Row | undefined => {
    const step = from.next();
    return step.done ? undefined : (step.value as Row);
  };
  let [log, has] = [next(given), next(there)];
  while (log !== undefined || has !== undefined) {
    const order = log === undefined ? 1 : has === undefined ? -1 : inOrder(log, has, key);
    const name = key.map((column) => String((order > 0 ? has : log)?.[column])).join(' ');
    const [expected, found] = [order <= 0 ? log : undefined, order >= 0 ? has : undefined];
    const [text, other] = [expected, found].map((row) => (row === undefined ? null : JSON.stringify(row)));
    yield text === other ? undefined : { view, key: name, log: text ?? null, there: other ?? null };
    if (order <= 0) log = next(given);
    if (order >= 0) has = next(there);
  }
}

/** As SQLite orders texts and numbers: all of ours are ASCII. */
function inOrder(left: Row, right: Row, key: readonly string[]): number {
  for (const column of key) {
    const [one, other] = [left[column] as string | number, right[column] as string | number];
    if (one !== other) return one < other ? -1 : 1;
  }
  return 0;
}
