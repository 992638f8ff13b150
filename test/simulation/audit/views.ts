import { isDeepStrictEqual } from 'node:util';
import { applyBatch } from '../../../adapters/views/sqlite/apply-batch.ts';
import { readBuild, readBuilds } from '../../../adapters/views/sqlite/build-reads.ts';
import { type Database, openTemporary } from '../../../adapters/views/sqlite/database.ts';
import { readItem, readItems } from '../../../adapters/views/sqlite/item-reads.ts';
import { readSubmissions } from '../../../adapters/views/sqlite/submission-reads.ts';
import type { EventStore, Position, StoredEvent } from '../../../coordinator/ports/event-store.ts';
import { buildStates, type Page, type Paging } from '../../../coordinator/ports/views.ts';
import { dumpTables } from '../../projections/views/views-in-memory.ts';
import { insist } from '../violation.ts';
import { type BuildEntry, isLive, type Ledger } from './ledger.ts';

/** Lists as people see them, kept up with the log while the farm runs. */
export interface Views extends Disposable {
  /** Takes in what came to the log since, in one transaction. */
  follow(): Promise<void>;
  /** I3: they are those of the whole log, and say what the events say. */
  audit(ledger: Ledger): Promise<void>;
}

/** Rows that a page has at most: more than one page is needed as a rule. */
const perPage = 4;

export function createViews(log: EventStore): Views {
  const kept = openTemporary();
  let checkpoint: Position | undefined;

  async function follow(): Promise<void> {
    const { events, checkpoint: reached } = await since(log, checkpoint);
    if (reached === undefined || reached === checkpoint) return;
    applyBatch(kept, events, reached);
    checkpoint = reached;
  }

  return {
    follow,
    async audit(ledger) {
      await follow();
      using anew = openTemporary();
      const { events } = await since(log, undefined);
      if (checkpoint !== undefined) applyBatch(anew, events, checkpoint);
      const [has, given] = [dumpTables(kept), dumpTables(anew)];
      for (const [table, rows] of Object.entries(given))
        insist(isDeepStrictEqual(has[table], rows), 'I3', `the views differ from those of the log: ${table}`);
      auditBuilds(kept, ledger);
      auditItems(kept, ledger);
      auditSubmissions(kept, ledger);
    },
    [Symbol.dispose]: () => kept[Symbol.dispose](),
  };
}

async function since(log: EventStore, after: Position | undefined) {
  const events: StoredEvent[] = [];
  let checkpoint = after;
  for await (const batch of log.readAll(after === undefined ? {} : { after })) {
    events.push(...batch.events);
    checkpoint = batch.checkpoint;
  }
  return { events, checkpoint };
}

function* all<Row>(read: (paging: Paging) => Page<Row>): Generator<Row> {
  let after: string | undefined;
  do {
    const page = read({ limit: perPage, ...(after !== undefined && { after }) });
    yield* page.rows;
    after = page.next;
  } while (after !== undefined);
}

function same(what: string, got: Iterable<string>, expected: Iterable<string>): void {
  const [has, given] = [[...got].sort().join(' '), [...expected].sort().join(' ')];
  insist(has === given, 'I3', `the list of ${what} is ${has}, and by the events ${given}`);
}

function auditBuilds(db: Database, { builds }: Ledger): void {
  const idsOf = (those: Iterable<{ readonly id: string }>): string[] => [...those].map(({ id }) => id);
  same('builds', idsOf(all((paging) => readBuilds(db, {}, paging))), builds.keys());
  for (const state of buildStates) {
    const inState = [...builds.values()].filter(({ standing }) => standing === state);
    same(
      `builds that are ${state}`,
      idsOf(all((paging) => readBuilds(db, { state: [state] }, paging))),
      idsOf(inState),
    );
  }
  for (const build of builds.values()) {
    const row = readBuild(db, build.id);
    const facts = [row?.state, row?.attempt, row?.derivation.slice(0, 32), row?.submission, row?.tags];
    // Of one that has succeeded it is the attempt that did, and not one that was given out meanwhile.
    const [attempt = build.attempt] = [...build.results].find(([, result]) => result === 'succeeded') ?? [];
    const given = [build.standing, attempt, build.derivation, build.submission, build.tags];
    insist(isDeepStrictEqual(facts, given), 'I3', `${build.id} is ${given}, and the views say ${facts}`);
    const attempts = row?.attempts.map(({ attempt, agent, outcome }) => `${attempt} ${agent} ${resultOf(outcome)}`);
    same(`attempts of ${build.id}`, attempts ?? [], attemptsOf(build));
  }
}

const resultOf = (outcome: string): string =>
  ({ 'setup-failed': 'failed', released: 'none', canceled: 'none' })[outcome] ?? outcome;

function attemptsOf(build: BuildEntry): string[] {
  const { agents, results, attempt } = build;
  return agents.map((agent, at) => {
    const result = at + 1 === attempt && isLive(build) ? 'running' : (results.get(at + 1) ?? 'none');
    return `${at + 1} ${agent} ${result}`;
  });
}

function auditItems(db: Database, { items, unpublished }: Ledger): void {
  const there = new Map([...items, ...unpublished]);
  const rows = [...all((paging) => readItems(db, {}, paging))];
  same(
    'items',
    rows.map(({ path }) => path),
    there.keys(),
  );
  for (const { path } of rows) {
    const row = readItem(db, path.slice(0, 32));
    const facts = [row?.references, row?.file.hash, row?.unpublished !== undefined];
    const given = [there.get(path)?.references, there.get(path)?.file, unpublished.has(path)];
    insist(isDeepStrictEqual(facts, given), 'I3', `${path} is ${given}, and the views say ${facts}`);
  }
}

function auditSubmissions(db: Database, { submissions, builds }: Ledger): void {
  const rows = [...all((paging) => readSubmissions(db, paging))];
  same(
    'submissions',
    rows.map(({ id }) => id),
    submissions.keys(),
  );
  for (const { id, counts } of rows) {
    const own = [...builds.values()].filter(({ submission }) => submission === id);
    const given = Object.fromEntries(
      buildStates.map((state) => [state, own.filter((one) => one.standing === state).length]),
    );
    insist(
      isDeepStrictEqual(counts, given),
      'I3',
      `${id} has ${JSON.stringify(given)}, and the views say ${JSON.stringify(counts)}`,
    );
  }
}
