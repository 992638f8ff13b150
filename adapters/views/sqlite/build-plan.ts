import { type BuildFilter, type BuildViewState, buildStates } from '../../../coordinator/ports/views.ts';
import { hashPart } from '../../../projections/views/derivation-writes.ts';
import type { SqlValue } from '../../../projections/views/write.ts';
import type { Condition, ListPlan, Source } from './list-page.ts';
import { nameHas, notNamed, searchName } from './name-search.ts';

export const buildColumns = `, b.id, d.path AS derivation, b.system, b.submission, b.state, b.reason, b.priority, b.tags,
  b.options, b.attempt, b.agent, b.submitted_at, b.started_at, b.ended_at, b.failure_class, b.failure_message, b.changed_at`;
export const buildJoins = 'CROSS JOIN derivations AS d ON d.id = b.derivation';

/** What so few builds meet that they may be sorted for each page; more of them are met by a scan soon enough. */
export interface Narrow {
  /** The time that the filter asks for. */
  readonly changes: boolean;
  /** The submission that joined them. */
  readonly joined: boolean;
}

/** One part of a filter: the index that finds its builds, and what a row is asked where another index is used. */
interface Criterion {
  readonly sources: readonly Source[];
  readonly rest: readonly Condition[];
  /** What a row is asked even where its own index is used. */
  readonly always?: readonly Condition[];
}

/**
 * How a list of builds is read: by the index of the criterion that the fewest builds meet as a rule (the order below);
 * the others are looked at row by row. `among`: ids of queued builds that are wanted besides those of the states. An empty list of states is as none. `undefined`: no build can meet the filter.
 */
export function planBuilds(
  filter: BuildFilter,
  narrow: Narrow = { changes: false, joined: false },
  among?: readonly string[],
): ListPlan | undefined {
  const states = [...new Set(filter.state ?? [])];
  const name = searchName(filter.name ?? '');
  if (name === 'none') return undefined;

  const criteria: Criterion[] = [];
  const changed = byChange(filter, narrow.changes);
  if (changed !== undefined) criteria.push(changed);
  if (filter.derivation !== undefined) criteria.push(byDerivation(filter.derivation));
  if (filter.joinedBy !== undefined) criteria.push(byJoining(filter.joinedBy, narrow.joined));
  // Its index has the states in it, so these need no criterion of their own.
  if (filter.submission !== undefined) criteria.push(bySubmission(filter.submission, among ? [] : states));
  // The agents' slots bound how many builds are under way.
  const underWay = !among && states.length > 0 && states.every((state) => state === 'allocated' || state === 'running');
  const state = among
    ? [byState(states, among)]
    : states.length > 0 && filter.submission === undefined
      ? [byState(states)]
      : [];
  if (underWay) criteria.push(...state);
  if (name !== 'all') criteria.push(byName(name));
  if (filter.tag !== undefined) criteria.push(byTag(filter.tag));
  if (filter.agent !== undefined) criteria.push(byColumn('agent', filter.agent));
  if (!underWay) criteria.push(...state);
  if (filter.system !== undefined) criteria.push(byColumn('system', filter.system));

  const driver = criteria.find(({ sources }) => sources.length > 0);
  const sources = driver?.sources ?? [{ from: 'builds AS b NOT INDEXED', seq: 'b.seq', where: [] }];
  const rest = criteria.flatMap((criterion) => (criterion === driver ? (criterion.always ?? []) : criterion.rest));
  return { kind: 'builds', columns: buildColumns, joins: buildJoins, sources, rest };
}

function byIndex(index: string, where: readonly Condition[]): Source {
  return { from: `builds AS b INDEXED BY ${index}`, seq: 'b.seq', where };
}

function equals(column: string, value: SqlValue): Condition {
  return { sql: `${column} = ?`, values: [value] };
}

function byDerivation(path: string): Criterion {
  const values = [hashPart(path), path];
  const rest = [{ sql: 'b.derivation = (SELECT id FROM derivations WHERE hash = ? AND path = ?)', values }];
  return { sources: [byIndex('builds_by_derivation', rest)], rest };
}

function bySubmission(id: string, states: readonly BuildViewState[]): Criterion {
  const submission = equals('b.submission', id);
  const wanted = states.length === 0 ? buildStates : states;
  return {
    sources: wanted.map((state) => byIndex('builds_by_submission', [submission, equals('b.state', state)])),
    rest: states.length === 0 ? [submission] : [submission, isIn(states)],
  };
}

/** They are in the order of their ids there, and so sorted for each page. */
function byJoining(submission: string, narrow: boolean): Criterion {
  const from = 'joined AS j CROSS JOIN builds AS b ON b.id = j.build';
  return {
    sources: narrow ? [{ from, seq: 'b.seq', where: [equals('j.submission', submission)] }] : [],
    rest: [
      { sql: 'EXISTS (SELECT 1 FROM joined AS j WHERE j.submission = ? AND j.build = b.id)', values: [submission] },
    ],
  };
}

function byState(states: readonly BuildViewState[], among?: readonly string[]): Criterion {
  const sources = states.map((state) => byIndex('builds_by_state', [equals('b.state', state)]));
  if (among === undefined) return { sources, rest: [isIn(states)] };
  // Queued still: one that has gone on since is in another state, which may be wanted too.
  const sql = "b.state = 'queued' AND b.id IN (SELECT value FROM json_each(?))";
  const named = { sql, values: [JSON.stringify(among)] };
  const either = {
    sql: `(${isIn(states).sql} OR (${named.sql}))`,
    values: [...states, ...named.values],
  };
  return {
    sources: [...sources, byIndex('sqlite_autoindex_builds_1', [named])],
    rest: [states.length === 0 ? named : either],
  };
}

function isIn(states: readonly BuildViewState[]): Condition {
  return { sql: `b.state IN (${states.map(() => '?').join(', ')})`, values: states };
}

function byChange({ since, until, from, to }: BuildFilter, narrow: boolean): Criterion | undefined {
  const times: Condition[] = [];
  if (since !== undefined) times.push({ sql: 'b.changed_at >= ?', values: [since] });
  if (until !== undefined) times.push({ sql: 'b.changed_at < ?', values: [until] });
  // Positions have a fixed width: as texts they compare in the order of the log.
  const places: Condition[] = [];
  if (from !== undefined) places.push({ sql: 'b.changed > ?', values: [from] });
  if (to !== undefined) places.push({ sql: 'b.changed <= ?', values: [to] });
  if (times.length + places.length === 0) return undefined;
  const sources = narrow && times.length > 0 ? [byIndex('builds_by_change', times)] : [];
  return { sources, rest: [...times, ...places], always: places };
}

function byColumn(column: 'agent' | 'system', value: string): Criterion {
  const rest = [equals(`b.${column}`, value)];
  return { sources: [byIndex(`builds_by_${column}`, rest)], rest };
}

function byTag(term: string): Criterion {
  const from = 'build_tags AS t CROSS JOIN builds AS b ON b.seq = t.seq';
  return {
    sources: [{ from, seq: 't.seq', where: [equals('t.term', term)] }],
    rest: [{ sql: 'EXISTS (SELECT 1 FROM build_tags AS t WHERE t.term = ? AND t.seq = b.seq)', values: [term] }],
  };
}

function byName({ match, part }: { readonly match?: string; readonly part: string }): Criterion {
  const rest = [nameHas('d.name', part)];
  if (match === undefined) return { sources: [], rest };
  const from = 'build_names CROSS JOIN builds AS b ON b.seq = build_names.rowid';
  const where = [{ sql: 'build_names MATCH ?', values: [match] }];
  const others: Source = {
    from: 'builds AS b NOT INDEXED CROSS JOIN derivations AS n ON n.id = b.derivation',
    seq: 'b.seq',
    where: [notNamed('builds', 'b.seq'), nameHas('n.name', part)],
  };
  return { sources: [{ from, seq: 'build_names.rowid', where }, others], rest, always: rest };
}
