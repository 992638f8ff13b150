import { type FollowOptions, overConnections } from './connection.ts';
import { DroverProblem } from './errors.ts';
import type { Operations } from './generated.ts';
import type { Http } from './http.ts';
import { type PatchOperation, patched } from './json-patch.ts';
import { serverSentEvents } from './server-sent-events.ts';

export type Overview = Operations['getOverview']['answer'];

/**
 * What is looked at first, as it is and whenever it has changed. Where the connection was lost it begins again with all of it, for as long as that takes.
 * What has not changed is the same object as before.
 *
 * @throws {DroverProblem} for a refusal that waiting does not change
 */
export async function* followOverview(http: Http, options: FollowOptions): AsyncGenerator<Overview, void, undefined> {
  const headers = { accept: 'text/event-stream' };
  const ask = (signal: AbortSignal): Promise<Response> => http.request('GET', '/v1/overview', { headers, signal });
  let overview: Overview | undefined;
  for await (const { event, data } of overConnections(ask, serverSentEvents, options, () => false)) {
    if (data === undefined || (event !== 'overview' && event !== 'patch')) continue;
    overview = event === 'overview' ? whole(data, http.url) : changed(overview, data, http.url);
    yield overview;
  }
}

function whole(data: string, url: string): Overview {
  const overview = parse(data);
  if (typeof overview === 'object' && overview !== null && 'status' in overview) return overview as Overview;
  throw unexpected(url);
}

function changed(before: Overview | undefined, data: string, url: string): Overview {
  const operations = parse(data);
  if (before === undefined || !Array.isArray(operations)) throw unexpected(url);
  try {
    return patched(before, operations as PatchOperation[]) as Overview;
  } catch {
    throw unexpected(url);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unexpected(url: string): DroverProblem {
  return new DroverProblem('unexpected-answer', 200, `${url} sent something that is not an overview`, {});
}
