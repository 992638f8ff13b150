import { DatabaseSync } from 'node:sqlite';
import { type Tags, tags as tagsSchema } from '../../domain/event.ts';
import { guixStoreDir } from '../../domain/guix/store-dir.ts';
import { parseStorePath } from '../../domain/store/store-path.ts';
import { CliError } from '../output/cli-error.ts';

/** A build that a Guix Build Coordinator has not done yet. */
export interface QueuedBuild {
  readonly uuid: string;
  /** Base name of the derivation. */
  readonly derivation: string;
  readonly priority: number;
  readonly tags: Tags;
}

export interface CoordinatorQueue {
  readonly queued: readonly QueuedBuild[];
  /** How many have ended, which stay where they are. */
  readonly ended: number;
  /** Tags that no tag here can be, as `KEY=VALUE`. */
  readonly tagsLeft: readonly string[];
}

interface Row {
  readonly uuid: string;
  readonly derivation: string;
  readonly priority: number | null;
}

/**
 * Builds that are neither processed nor canceled, in the order in which they were submitted, read from a copy of the database or the one in use.
 *
 * The schema is from memory, no database of a real one was read: what is used of it is `builds` (`id`, `uuid`, `derivation_id` or `derivation_name`, `priority`,
 * `processed`, `canceled`), `derivations` (`id`, `name`), `build_tags` (`build_id`, `tag_id`) and `tags` (`id`, `key`, `value`). A database without these is refused.
 */
export function readCoordinatorQueue(file: string): CoordinatorQueue {
  try {
    using database = new DatabaseSync(file, { readOnly: true });
    return readQueue(database);
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(
      'wrong-database',
      `${file}: expected the database of a Guix Build Coordinator: ${(error as Error).message}`,
      { exitCode: 2, cause: error },
    );
  }
}

function readQueue(database: DatabaseSync): CoordinatorQueue {
  const columns = database.prepare("SELECT name FROM pragma_table_info('builds')").all();
  const hasName = columns.some(({ name }) => name === 'derivation_name');
  const derivation = hasName ? 'builds.derivation_name' : 'derivations.name';
  const join = hasName ? '' : 'JOIN derivations ON derivations.id = builds.derivation_id';
  const waiting = database.prepare(
    `SELECT builds.id AS id, uuid, ${derivation} AS derivation, priority FROM builds ${join} WHERE processed = 0 AND canceled = 0 ORDER BY builds.id`,
  );
  const tagsOf = database.prepare(
    'SELECT key, value FROM build_tags JOIN tags ON tags.id = build_tags.tag_id WHERE build_id = ? ORDER BY key',
  );
  const tagsLeft = new Set<string>();
  const queued: QueuedBuild[] = [];
  for (const row of waiting.iterate() as Iterable<Row & { readonly id: number }>) {
    const tags: Record<string, string> = {};
    for (const { key, value } of tagsOf.all(row.id)) {
      const one = tagsSchema.safeParse({ [String(key)]: String(value) });
      if (one.success) Object.assign(tags, one.data);
      else tagsLeft.add(`${key}=${value}`);
    }
    const { base } = parseStorePath(String(row.derivation), guixStoreDir);
    queued.push({ uuid: String(row.uuid), derivation: base, priority: Number(row.priority ?? 0), tags });
  }
  const ended = database.prepare('SELECT count(*) AS n FROM builds WHERE processed <> 0 OR canceled <> 0').get();
  return { queued, ended: Number(ended?.n), tagsLeft: [...tagsLeft] };
}
