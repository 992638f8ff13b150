import { DatabaseSync } from 'node:sqlite';
import { type Tags, tags as tagsSchema } from '../../domain/event.ts';
import { guixStoreDir } from '../../domain/guix/store-dir.ts';
import { type EarlierBuild, earlierBuild, maxEarlierMessage } from '../../domain/history/events.ts';
import { FormatError } from '../../domain/store/format-error.ts';
import { parseStorePath } from '../../domain/store/store-path.ts';
import { CliError } from '../output/cli-error.ts';
import { printable } from '../output/text.ts';

/** A build that a Guix Build Coordinator has not done yet. */
export interface QueuedBuild {
  readonly uuid: string;
  /** Base name of the derivation. */
  readonly derivation: string;
  readonly priority: number;
  readonly tags: Tags;
}

/** What of the rows could not be read as they were meant, and how many of each kind. */
export type Oddities = ReadonlyMap<string, number>;

export interface CoordinatorQueue {
  readonly queued: readonly QueuedBuild[];
  /** How many have ended. */
  readonly ended: number;
  /** Tags that no tag here can be, as `KEY=VALUE`. */
  readonly tagsLeft: readonly string[];
  readonly skipped: Oddities;
}

/**
 * The database of a Guix Build Coordinator, or a copy of it; the write-ahead log beside it counts. It may be written meanwhile: no row is held for
 * longer than a page of them is read.
 *
 * The schema is from memory, no database of a real one was read. What is used of it: `builds` (`id`, `uuid`, `derivation_id` or `derivation_name`, `priority`,
 * `processed`, `canceled`, and `created_at`, `end_time` where they are there), `derivations` (`id`, `name`, and `system_id` or `system`, `fixed_output`), `systems` (`id`, `system`),
 * `build_tags` (`build_id`, `tag_id`), `tags` (`id`, `key`, `value`), `build_results` (`build_id`, `agent_id`, `result`, and `failure_reason`), `build_starts` (`build_id`,
 * `agent_id`, `start_time`), `agents` (`id`, `name`). Without what does not stand behind an "and", or with all of `build_starts`, it is refused.
 */
export interface CoordinatorDatabase extends Disposable {
  /** Builds that are neither processed nor canceled, in the order in which they were submitted. */
  queue(): CoordinatorQueue;
  /** Builds that have ended, oldest first, a page at a time. Throws at once where a table or a column is not there. */
  history(): Generator<{ readonly builds: readonly EarlierBuild[]; readonly skipped: Oddities; readonly rows: number }>;
}

/** Rows that are read at a time. Where the tables have no index, each page reads all of them. */
const perPage = 20_000;
/** Of texts, what is looked at. */
const mostCharacters = 2 * maxEarlierMessage;

export function openCoordinatorDatabase(file: string): CoordinatorDatabase {
  const database = orRefuse(file, () => new DatabaseSync(file, { readOnly: true, timeout: 10_000 }));
  return {
    queue: () => orRefuse(file, () => readQueue(database)),
    history: () =>
      pagesOf(
        file,
        orRefuse(file, () => historyReader(database)),
      ),
    [Symbol.dispose]: () => database.close(),
  };
}

function* pagesOf(file: string, read: ReturnType<typeof historyReader>): ReturnType<CoordinatorDatabase['history']> {
  // Before the first id that there can be.
  let after: string | undefined = '-9223372036854775808';
  while (after !== undefined) {
    const from: string = after;
    const page = orRefuse(file, () => read(from));
    after = page.last;
    if (page.rows > 0) yield page;
  }
}

function orRefuse<Result>(file: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(
      'wrong-database',
      `${file}: expected the database of a Guix Build Coordinator: ${(error as Error).message}`,
      { exitCode: 2, cause: error },
    );
  }
}

type Row = Readonly<Record<string, string | null>>;

/** Counts by reason; a reason has no text of a row in it that has no end. */
function counter() {
  const counts = new Map<string, number>();
  return { counts, add: (reason: string): void => void counts.set(reason, (counts.get(reason) ?? 0) + 1) };
}

/** Columns of a table; none where it is not there. */
function columnsOf(database: DatabaseSync, table: string): ReadonlySet<string> {
  return new Set(
    database
      .prepare('SELECT name FROM pragma_table_info(?)')
      .all(table)
      .map(({ name }) => String(name)),
  );
}

/** All is read as text: what SQLite keeps in a column is not bound by the type of it. */
const text = (expression: string): string => `substr(CAST(${expression} AS TEXT), 1, ${mostCharacters})`;

/** How the derivation of a build is found. */
function derivationOf(database: DatabaseSync): { readonly name: string; readonly join: string } {
  const hasName = columnsOf(database, 'builds').has('derivation_name');
  return hasName
    ? { name: 'builds.derivation_name', join: 'LEFT JOIN derivations ON derivations.name = builds.derivation_name' }
    : { name: 'derivations.name', join: 'LEFT JOIN derivations ON derivations.id = builds.derivation_id' };
}

function baseOf(path: string | null): string | undefined {
  try {
    const { base } = parseStorePath(path ?? '', guixStoreDir);
    return base.endsWith('.drv') ? base : undefined;
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

const isId = (id: string | null): id is string => earlierBuild.shape.id.safeParse(id).success;

function readQueue(database: DatabaseSync): CoordinatorQueue {
  const { name, join } = derivationOf(database);
  const waiting = database.prepare(
    `SELECT ${text('builds.id')} AS id, ${text('builds.uuid')} AS uuid, ${text(name)} AS derivation, ${text('builds.priority')} AS priority
     FROM builds ${join} WHERE processed = 0 AND canceled = 0 ORDER BY builds.id`,
  );
  const tagsOf = database.prepare(
    `SELECT ${text('key')} AS key, ${text('value')} AS value FROM build_tags JOIN tags ON tags.id = build_tags.tag_id WHERE build_id = CAST(? AS INTEGER) ORDER BY key`,
  );
  const tagsLeft = new Set<string>();
  const queued: QueuedBuild[] = [];
  const { counts: skipped, add } = counter();
  for (const row of waiting.iterate() as Iterable<Row>) {
    const derivation = baseOf(row.derivation ?? null);
    if (derivation === undefined || !isId(row.uuid ?? null)) {
      add(derivation === undefined ? noDerivation : noId);
      continue;
    }
    const tags: Record<string, string> = {};
    for (const { key, value } of tagsOf.all(row.id as string) as Iterable<Row>) {
      const one = tagsSchema.safeParse({ [String(key)]: String(value) });
      if (one.success) Object.assign(tags, one.data);
      else tagsLeft.add(`${key}=${value}`);
    }
    const priority = Number(row.priority ?? 0);
    queued.push({ uuid: row.uuid as string, derivation, priority: Number.isFinite(priority) ? priority : 0, tags });
  }
  const ended = database.prepare('SELECT count(*) AS n FROM builds WHERE processed <> 0 OR canceled <> 0').get();
  return { queued, ended: Number(ended?.n), tagsLeft: [...tagsLeft], skipped };
}

const noDerivation = `its derivation is no .drv of ${guixStoreDir}`;
const noId = 'its uuid is empty, or longer than 64 characters';
const outcomes: Readonly<Record<string, EarlierBuild['outcome']>> = { success: 'succeeded', failure: 'failed' };

function historyReader(database: DatabaseSync) {
  const builds = columnsOf(database, 'builds');
  const derivations = columnsOf(database, 'derivations');
  const results = columnsOf(database, 'build_results');
  const agents = columnsOf(database, 'agents');
  const { name, join } = derivationOf(database);
  const optional = (has: boolean, expression: string): string => (has ? text(expression) : 'NULL');

  // What belongs to a build was named by its uuid once, and by its id since.
  const keyOf = (table: string): 'id' | 'uuid' =>
    database.prepare(`SELECT typeof(build_id) AS type FROM ${table} LIMIT 1`).get()?.type === 'text' ? 'uuid' : 'id';
  const resultKey = keyOf('build_results');
  const startKey = keyOf('build_starts');
  const range = startKey === 'id' ? 'WHERE build_id > CAST(?1 AS INTEGER) AND build_id <= CAST(?2 AS INTEGER)' : '';
  const hasSystems = derivations.has('system_id') && columnsOf(database, 'systems').has('system');
  const [system, systems] = hasSystems
    ? ['systems.system', 'LEFT JOIN systems ON systems.id = derivations.system_id']
    : [derivations.has('system') ? 'derivations.system' : 'NULL', ''];

  const ended = '(processed <> 0 OR canceled <> 0)';
  const last = database.prepare(
    `SELECT CAST(max(id) AS TEXT) AS last, count(*) AS rows FROM
     (SELECT id FROM builds WHERE id > CAST(?1 AS INTEGER) AND ${ended} ORDER BY id LIMIT ${perPage})`,
  );
  const rowsOf = database.prepare(`
SELECT ${text('builds.uuid')} AS uuid, ${text(name)} AS derivation, ${text('builds.canceled')} AS canceled,
  ${text('r.result')} AS result, ${optional(results.has('failure_reason'), 'r.failure_reason')} AS message,
  ${text(agents.has('name') ? 'coalesce(a.name, r.agent_id)' : 'r.agent_id')} AS agent, ${text(system)} AS system,
  ${optional(derivations.has('fixed_output'), 'derivations.fixed_output')} AS fixed,
  ${optional(builds.has('created_at'), 'builds.created_at')} AS submitted, ${optional(builds.has('end_time'), 'builds.end_time')} AS ended,
  ${text('coalesce(s.own, s.any)')} AS started
FROM builds ${join} ${systems}
LEFT JOIN build_results AS r ON r.build_id = builds.${resultKey}
LEFT JOIN agents AS a ON a.id = r.agent_id
LEFT JOIN (
  SELECT p.build_id, max(p.start_time) AS any, max(CASE WHEN p.agent_id = q.agent_id THEN p.start_time END) AS own
  FROM (SELECT build_id, agent_id, start_time FROM build_starts ${range}) AS p
  LEFT JOIN build_results AS q ON q.build_id = p.build_id
  GROUP BY p.build_id
) AS s ON s.build_id = builds.${startKey}
WHERE builds.id > CAST(?1 AS INTEGER) AND builds.id <= CAST(?2 AS INTEGER) AND ${ended}
ORDER BY builds.id`);

  return (after: string) => {
    const { last: to, rows } = last.get(after) as { last: string | null; rows: number };
    const { counts: skipped, add } = counter();
    const found: EarlierBuild[] = [];
    if (to === null) return { builds: found, skipped, rows, last: undefined };
    for (const row of rowsOf.iterate(after, to) as Iterable<Row>) {
      const build = earlierOf(row, add);
      if (build !== undefined) found.push(build);
    }
    return { builds: found, skipped, rows, last: to };
  };
}

/** @param odd told why a row is skipped, or which field of it is not understood. */
function earlierOf(row: Row, odd: (what: string) => void): EarlierBuild | undefined {
  const { uuid = null, derivation = null, canceled, result, message, agent, system, fixed } = row;
  const base = baseOf(derivation);
  const outcome = canceled !== '0' && canceled !== null ? 'canceled' : outcomes[result ?? ''];
  if (!isId(uuid)) return odd(noId) as undefined;
  if (base === undefined) return odd(noDerivation) as undefined;
  if (outcome === undefined) {
    const got = result == null ? 'no row' : printable(result.slice(0, 40));
    return odd(`its result is neither success nor failure: ${got}`) as undefined;
  }
  const timeOf = (field: string): number | undefined => {
    const given = row[field];
    if (given == null || given === '') return undefined;
    const time = instantOf(given);
    if (time === undefined) odd(`taken over without a time that is none (${field})`);
    return time;
  };
  const [submittedAt, startedAt, endedAt] = [timeOf('submitted'), timeOf('started'), timeOf('ended')];
  return {
    id: uuid,
    derivation: base,
    outcome,
    ...(system != null && /^[0-9a-z_]+-[0-9a-z_-]{1,40}$/.test(system) && { system }),
    ...((fixed === '0' || fixed === '1') && { fixed: fixed === '1' }),
    ...(agent != null && agent !== '' && { agent: agent.slice(0, 128) }),
    ...(submittedAt !== undefined && { submittedAt }),
    ...(startedAt !== undefined && { startedAt }),
    ...(endedAt !== undefined && { endedAt }),
    ...(outcome === 'failed' && message != null && message !== '' && { message: message.slice(0, maxEarlierMessage) }),
  };
}

/** Milliseconds since the Unix epoch of what SQLite's `datetime` writes, which is in UTC, of ISO 8601 or of seconds; `undefined` of anything else. */
function instantOf(given: string): number | undefined {
  const isNumber = /^\d{9,10}(\.\d+)?$/.test(given);
  const match = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?) ?(Z|[+-]\d\d:?\d\d)?$/.exec(given);
  const time = isNumber ? Number(given) * 1000 : match ? Date.parse(`${match[1]}T${match[2]}${match[3] ?? 'Z'}`) : -1;
  return time >= 0 ? Math.round(time) : undefined;
}
