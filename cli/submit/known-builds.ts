import type { Query } from '../../client/http.ts';
import type { BuildRow } from '../../coordinator/ports/views.ts';
import type { Client } from '../http/client.ts';
import { eachRow } from '../http/pages.ts';
import type { WatchedBuild } from './follow.ts';

/** Above this it is cheaper to read the list of all unfinished builds, 1,000 at a time, than to ask for each. */
const askForEach = 20;

/** Builds by their ids, as they are now. */
export async function readBuilds(client: Client, ids: readonly string[]): Promise<readonly WatchedBuild[]> {
  const wanted = new Set(ids);
  const found: WatchedBuild[] = [];
  if (ids.length > askForEach) {
    for await (const row of listBuilds(client, { state: 'queued,allocated,running' })) {
      if (wanted.delete(row.id)) found.push(watched(row));
      if (wanted.size === 0) break;
    }
  }
  // Few, or ended in the meantime.
  for (const id of wanted) found.push(watched(await client.get<BuildRow>(`/v1/builds/${encodeURIComponent(id)}`)));
  return found;
}

/** All builds that a submission made, as they are now. */
export async function readBuildsOf(client: Client, submission: string): Promise<readonly WatchedBuild[]> {
  const found: WatchedBuild[] = [];
  for await (const row of listBuilds(client, { submission })) found.push(watched(row));
  return found;
}

const listBuilds = (client: Client, filter: Query): AsyncIterable<BuildRow> => eachRow(client, '/v1/builds', filter);

function watched(build: BuildRow): WatchedBuild {
  return {
    id: build.id,
    derivation: build.derivation,
    state: build.state,
    attempt: build.attempt,
    ...(build.agent === null ? {} : { agent: build.agent }),
    ...(build.failure && { failure: build.failure, message: `${build.failure.class}: ${build.failure.message}` }),
  };
}
