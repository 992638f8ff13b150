import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { applyBatch } from '../../../adapters/views/sqlite/apply-batch.ts';
import { planBuilds } from '../../../adapters/views/sqlite/build-plan.ts';
import { readBuild, readBuilds, readLogs, readResults } from '../../../adapters/views/sqlite/build-reads.ts';
import { type Database, openForWriting } from '../../../adapters/views/sqlite/database.ts';
import { readItem, readItems } from '../../../adapters/views/sqlite/item-reads.ts';
import { pageStatement, scanLimit } from '../../../adapters/views/sqlite/list-page.ts';
import { readSubmission, readSubmissions } from '../../../adapters/views/sqlite/submission-reads.ts';
import { type BuildFilter, type BuildRow, buildStates, type Page } from '../../../coordinator/ports/views.ts';
import { hashOf, simulateFarm } from '../../projections/views/random-farm.ts';
import { temporaryFolder } from './test-log.ts';

const farm = simulateFarm(
  Array.from({ length: 4000 }, (_, at) => ({ does: (at * 7919) % 1000, pick: (at * 104_729) % 10_007 })),
);
/** By submission, those that it joined: some of each, as nobody in this farm joins any. */
const joined = new Map(
  ['s001', 's010'].map((submission, nth) => [
    submission,
    new Set([...farm.builds.keys()].filter((_, at) => at % 7 === nth)),
  ]),
);

const folder = temporaryFolder();
let db: Database;
let all: readonly BuildRow[];

before(() => {
  const head = farm.events.at(-1)?.position as string;
  db = openForWriting(join(folder.path, 'views.db'), undefined);
  // Some of the names are in whole portions, some are not.
  applyBatch(db, farm.events, head, 50);
  all = collect((paging) => readBuilds(db, {}, paging), 1000);
  const insert = db.prepare('INSERT INTO joined (submission, build) VALUES (?, ?)');
  for (const [submission, builds] of joined) for (const build of builds) insert.run(submission, build);
});
after(() => {
  db[Symbol.dispose]();
  folder[Symbol.dispose]();
});

function collect<Row>(read: (paging: { limit: number; after?: string }) => Page<Row>, limit: number): Row[] {
  const rows: Row[] = [];
  let page = read({ limit });
  for (;;) {
    assert.ok(page.rows.length <= limit);
    rows.push(...page.rows);
    if (page.next === undefined) return rows;
    page = read({ limit, after: page.next });
  }
}

test('every build is there once, newest first', () => {
  assert.deepEqual(
    all.map(({ id }) => id),
    [...farm.builds.keys()].toReversed(),
  );
  assert.ok(all.length > 500);
});

test('queued builds that somebody else names are there besides those of the states, page by page', () => {
  const queued = all.filter(({ state }) => state === 'queued').map(({ id }) => id);
  const mine = new Set(queued.filter((_, index) => index % 3 === 0));
  /** As `mine`, and some that have gone on since they were named. */
  const named = all
    .map(({ id, state }) => ({ id, state }))
    .filter(({ id, state }) => mine.has(id) || state === 'failed');
  assert.ok(mine.size > 20 && named.length > mine.size);
  const among = (before: string | undefined): readonly string[] => {
    const start = before === undefined ? 0 : all.findIndex(({ id }) => id === before) + 1;
    const rest = new Set(all.slice(start).map(({ id }) => id));
    return named.map(({ id }) => id).filter((id) => rest.has(id));
  };
  const ids = (filter: BuildFilter, limit: number) =>
    collect((paging) => readBuilds(db, filter, paging), limit).map(({ id }) => id);
  const wanted = all.filter(({ id }) => mine.has(id));
  assert.deepEqual(
    ids({ among }, 7),
    wanted.map(({ id }) => id),
  );
  const [one] = wanted as [BuildRow];
  const { submission } = one;
  assert.deepEqual(
    ids({ among, submission }, 3),
    wanted.filter((row) => row.submission === submission).map(({ id }) => id),
  );
  assert.deepEqual(
    ids({ among, state: ['failed', 'running'] }, 11),
    all.filter(({ id, state }) => mine.has(id) || state === 'failed' || state === 'running').map(({ id }) => id),
  );
});

const name = (row: BuildRow) => row.derivation.slice(33, -4).toLowerCase();

/** The last event of a build. */
const lastEvents = new Map(farm.events.map((event) => [event.stream as string, event]));
const last = (row: BuildRow) => lastEvents.get(`build-${row.id}`) ?? assert.fail(row.id);
const instants = fc.nat(farm.events.length).map((n) => 1_000_000 + n * 10);
const positions = fc.nat(farm.events.length).map((n) => String(n).padStart(16, '0'));

/** What a filter means, said a second time and without SQL. */
function meets(row: BuildRow, filter: BuildFilter): boolean {
  const [key = '', ...value] = filter.tag?.split('=') ?? [];
  return (
    (filter.state === undefined || filter.state.length === 0 || filter.state.includes(row.state)) &&
    (filter.system === undefined || row.system === filter.system) &&
    (filter.name === undefined || name(row).includes(filter.name.toLowerCase())) &&
    (filter.agent === undefined || row.agent === filter.agent) &&
    (filter.submission === undefined || row.submission === filter.submission) &&
    (filter.joinedBy === undefined || joined.get(filter.joinedBy)?.has(row.id) === true) &&
    (filter.derivation === undefined || row.derivation === filter.derivation) &&
    (filter.since === undefined || last(row).at >= filter.since) &&
    (filter.until === undefined || last(row).at < filter.until) &&
    (filter.from === undefined || last(row).position > filter.from) &&
    (filter.to === undefined || last(row).position <= filter.to) &&
    (filter.tag === undefined || (value.length === 0 ? key in row.tags : row.tags[key] === value.join('=')))
  );
}

const filters: fc.Arbitrary<BuildFilter> = fc.record(
  {
    state: fc.subarray([...buildStates]),
    system: fc.constantFrom('x86_64-linux', 'aarch64-linux', 'none'),
    name: fc.constantFrom('', 'e', 'hello', 'HELLO-2', '.12', 'b+foo_', 'lib', 'drv', 'not there', 'é'),
    agent: fc.constantFrom('ant', 'bee', 'nobody'),
    submission: fc.constantFrom('s001', 's010', 'nope'),
    joinedBy: fc.constantFrom(...joined.keys(), 'nope'),
    derivation: fc.nat(2000).map((number) => `${hashOf(number)}-hello-2.12.drv`),
    since: instants,
    until: instants,
    from: positions,
    to: positions,
    tag: fc.constantFrom('branch', 'branch=b1', 'ci/run', 'ci/run=', 'branch=', 'nope'),
  },
  { requiredKeys: [] },
);

test('builds that a submission joined are those of others', () => {
  for (const [submission, builds] of joined) {
    const found = collect((paging) => readBuilds(db, { joinedBy: submission }, paging), 2);
    assert.deepEqual(
      found.map(({ id }) => id),
      all.map(({ id }) => id).filter((id) => builds.has(id)),
    );
  }
});

test('very many builds that a submission joined are met by a scan, and not sorted for each page', () => {
  const joinedBy = 's001';
  assert.match(planBuilds({ joinedBy })?.sources[0]?.from ?? '', /NOT INDEXED/);
  assert.match(planBuilds({ joinedBy }, { changes: false, joined: true })?.sources[0]?.from ?? '', /^joined /);
  const sorted = readBuilds(db, { joinedBy }, { limit: 5 });
  const plenty = db.prepare('INSERT INTO joined (submission, build) VALUES (?, ?)');
  db.prepare('SAVEPOINT plenty').run();
  for (let n = 0; n < 2001; n++) plenty.run(joinedBy, `no-build-${n}`);
  assert.deepEqual(readBuilds(db, { joinedBy }, { limit: 5 }).rows, sorted.rows);
  db.prepare('ROLLBACK TO plenty').run();
  db.prepare('RELEASE plenty').run();
});

test('pages of any length and filter have each build that meets it once, in order', () => {
  fc.assert(
    fc.property(filters, fc.constantFrom(1, 3, 50, 1000), (filter, limit) => {
      const found = collect((paging) => readBuilds(db, filter, paging), limit);
      assert.deepEqual(
        found.map(({ id }) => id),
        all.filter((row) => meets(row, filter)).map(({ id }) => id),
      );
    }),
    { numRuns: 150 },
  );
});

test('what changed in a time is found by its index, where that is little, and each build says when it was', () => {
  const { at } = last(all[500] as BuildRow);
  const filter = { since: at - 200, until: at + 200 };
  const found = collect((paging) => readBuilds(db, filter, paging), 3);
  assert.deepEqual(
    found,
    all.filter((row) => meets(row, filter)),
  );
  assert.ok(found.length > 0 && found.length < 100);
  for (const row of found) assert.equal(row.changedAt, last(row).at);
  const plan = planBuilds(filter, { changes: true, joined: false }) ?? assert.fail('there is no plan');
  assert.match(plan.sources[0]?.from ?? '', /builds_by_change/);
  assert.match(planBuilds(filter)?.sources[0]?.from ?? '', /NOT INDEXED/, 'much is met by a scan');
  assert.match(planBuilds({ ...filter, submission: 's001' })?.sources[0]?.from ?? '', /builds_by_submission/);
});

test('each filter by itself is met by some builds, and answered by an index without sorting', () => {
  const derivation = all[0]?.derivation as string;
  const single: BuildFilter[] = [
    {},
    { state: ['queued'] },
    { state: ['queued', 'failed'] },
    { system: 'x86_64-linux' },
    { name: 'hello' },
    { agent: 'ant' },
    { submission: 's001' },
    { submission: 's001', state: [...buildStates] },
    { derivation },
    { tag: 'branch=b1' },
    { tag: 'branch' },
  ];
  for (const filter of single) {
    assert.ok(readBuilds(db, filter, { limit: 1 }).rows.length > 0, JSON.stringify(filter));
    const plan = planBuilds(filter);
    assert.ok(plan);
    const { sql, values } = pageStatement(plan, 1000, 0, 10);
    const steps = db
      .prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .all(...values)
      .map(({ detail }) => String(detail));
    const slow = steps.filter(
      (step) => step.includes('TEMP B-TREE') || (step.startsWith('SCAN') && !step.includes('VIRTUAL TABLE')),
    );
    assert.deepEqual(slow, [], `${JSON.stringify(filter)}: ${steps.join('; ')}`);
  }
});

test('a page looks at a bounded number of rows and then says where to go on', () => {
  using folder = temporaryFolder();
  const hash = hashOf(1);
  const at = (position: number) => ({
    revision: 0,
    position: String(position).padStart(16, '0'),
    commit: '',
    at: 0,
    meta: { actor: '' },
    version: 1,
  });
  const count = scanLimit + 10;
  const events = Array.from({ length: count }, (_, number) => ({
    ...at(number + 1),
    stream: `build-s1-${number}` as const,
    type: 'BuildSubmitted',
    data: {
      derivation: `${hash}-${'hello'}.drv`,
      submission: 's1',
      reason: 'input',
      options: { priority: 0, tags: number === 0 ? { rare: 'yes' } : { other: 'yes' } },
    },
  }));
  using views = openForWriting(join(folder.path, 'views.db'), undefined);
  applyBatch(views, events, events.at(-1)?.position as string);
  const filter = { submission: 's1', tag: 'rare' };
  const first = readBuilds(views, filter, { limit: 10 });
  assert.deepEqual(first.rows, []);
  assert.ok(first.next);
  const second = readBuilds(views, filter, { limit: 10, after: first.next });
  assert.deepEqual([second.rows.map(({ id }) => id), second.next], [['s1-0'], undefined]);
});

test('a token or a limit that is not of the expected form is refused', () => {
  const refused = { name: 'DroverError', code: 'invalid-request' };
  for (const after of [
    '',
    'b',
    'x1',
    'b-1',
    'B1',
    'b01',
    'bzzzzzzzzzzzz',
    'i1',
    "b1' OR 1=1",
    `b${'1'.repeat(4000)}`,
  ]) {
    assert.throws(() => readBuilds(db, {}, { limit: 10, after }), refused, after);
    assert.throws(() => readBuilds(db, { name: 'é' }, { limit: 10, after }), refused, after);
  }
  for (const limit of [0, -1, 1001, 1.5, Number.NaN])
    assert.throws(() => readSubmissions(db, { limit }), refused, String(limit));
  assert.throws(() => readItems(db, {}, { limit: 10, after: 'b1' }), refused);
});

test('items: those that are there, by name, by deriver and by hash part', () => {
  const items = collect((paging) => readItems(db, {}, paging), 7);
  assert.deepEqual(items.map(({ path }) => path).toSorted(), [...farm.items].toSorted());
  for (const part of ['hello', 'lib', 'o', 'source', 'zzz']) {
    const found = collect((paging) => readItems(db, { name: part }, paging), 11);
    assert.deepEqual(
      found,
      items.filter(({ path }) => path.slice(33).toLowerCase().includes(part)),
      part,
    );
  }
  const deriver = items.find((item) => item.deriver !== undefined)?.deriver as string;
  const derived = items.filter((item) => item.deriver === deriver);
  assert.deepEqual(readItems(db, { deriver }, { limit: 100 }).rows, derived);
  assert.deepEqual(readItems(db, { deriver, name: 'no such' }, { limit: 100 }).rows, []);
  for (const item of items.slice(0, 20)) assert.deepEqual(readItem(db, item.path.slice(0, 32)), item);
  const last = farm.events.findLast(
    ({ type, data }) => type === 'StoreItemAdded' && (data as { path: string }).path === items[0]?.path,
  );
  assert.deepEqual(items[0], { ...(last?.data as object), addedAt: last?.at, addedBy: last?.meta.actor });
  const since = items[Math.floor(items.length / 2)]?.addedAt as number;
  for (const agent of ['a0', 'a1', 'a2']) {
    const brought = items.filter(({ addedBy }) => addedBy === `agent-${agent}`);
    assert.ok(brought.length > 0);
    assert.deepEqual(
      collect((paging) => readItems(db, { agent }, paging), 11),
      brought,
    );
    assert.deepEqual(
      collect((paging) => readItems(db, { agent, since }, paging), 11),
      brought.filter(({ addedAt }) => addedAt >= since),
    );
    assert.deepEqual(
      collect((paging) => readItems(db, { agent, deriver, name: '2' }, paging), 11),
      brought.filter((item) => item.deriver === deriver && item.path.slice(33).includes('2')),
    );
  }
  assert.deepEqual(readItems(db, { agent: 'a' }, { limit: 100 }).rows, []);
  const deleted = farm.events.find(
    ({ type, data }) => type === 'StoreItemDeleted' && !farm.items.has((data as { path: string }).path),
  );
  assert.ok(deleted);
  assert.equal(readItem(db, (deleted.data as { path: string }).path.slice(0, 32)), undefined);
});

test('submissions: newest first, with their builds by state', () => {
  const submissions = collect((paging) => readSubmissions(db, paging), 13);
  assert.deepEqual(
    submissions.map(({ id }) => id),
    [...new Set(all.map(({ submission }) => submission))],
  );
  for (const submission of submissions) {
    assert.deepEqual(readSubmission(db, submission.id), submission);
    const builds = all.filter((build) => build.submission === submission.id);
    const counts = Object.fromEntries(
      buildStates.map((state) => [state, builds.filter((build) => build.state === state).length]),
    );
    assert.deepEqual(submission.counts, counts);
    const received = farm.events.find(({ stream }) => stream === `submission-${submission.id}`);
    assert.ok(received);
    assert.equal(submission.derivation, (received.data as { roots: string[] }).roots[0] ?? null);
  }
  const even = ({ id }: { id: string }): boolean => Number(id.slice(1)) % 2 === 0;
  assert.deepEqual(
    collect((paging) => readSubmissions(db, paging, even), 13),
    submissions.filter(even),
    'those that somebody wants, page by page',
  );
  assert.equal(readSubmission(db, 'nope'), undefined);
});

test('a build with its attempts, outputs and options', () => {
  const retried = all.find(({ attempt, state }) => attempt > 1 && state === 'succeeded');
  assert.ok(retried);
  const detail = readBuild(db, retried.id);
  assert.ok(detail);
  const { outputs, attempts, options, ...row } = detail;
  assert.deepEqual(row, retried);
  assert.deepEqual(outputs, farm.builds.get(retried.id)?.outputs);
  assert.deepEqual(
    attempts.map(({ attempt }) => attempt),
    attempts.map((_, at) => at + 1),
  );
  assert.equal(attempts.at(retried.attempt - 1)?.outcome, 'succeeded');
  const submission = farm.events.find(({ stream }) => stream === `build-${retried.id}`);
  assert.ok(submission);
  const { tags, priority, ...submitted } = (submission.data as { options: Record<string, unknown> }).options;
  assert.deepEqual(options, submitted);
  assert.deepEqual([retried.tags, typeof priority], [tags ?? {}, 'number']);
  assert.equal(readBuild(db, 'nope'), undefined);
});

test('the logs of a derivation: its started attempts, the last one first', () => {
  for (const derivation of new Set(all.map((row) => row.derivation))) {
    const builds = all.filter((row) => row.derivation === derivation).map(({ id }) => readBuild(db, id));
    const started = builds.flatMap((build) =>
      (build?.attempts ?? [])
        .filter(({ startedAt }) => startedAt !== null)
        .toReversed()
        .map(({ attempt }) => ({ build: build?.id, attempt })),
    );
    assert.deepEqual(readLogs(db, derivation), started.slice(0, 50));
  }
  assert.deepEqual(readLogs(db, `${hashOf(1)}-other.drv`), []);
});

test('the last results come first, also those of one tag', () => {
  const ended = all.filter(({ endedAt }) => endedAt !== null);
  assert.ok(ended.length > 60);
  const byEnd = ended.toSorted((a, b) => Number(b.endedAt) - Number(a.endedAt) || all.indexOf(a) - all.indexOf(b));
  assert.deepEqual(readResults(db, undefined, 50), byEnd.slice(0, 50));
  const [key, value] = Object.entries(ended.find((row) => Object.keys(row.tags).length > 0)?.tags ?? {})[0] ?? [];
  assert.ok(key !== undefined && value !== undefined);
  const tagged = byEnd.filter((row) => row.tags[key] === value);
  assert.deepEqual(readResults(db, `${key}=${value}`, 50), tagged.slice(0, 50));
  assert.deepEqual(readResults(db, 'nobody=has', 50), []);
});
