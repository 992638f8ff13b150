import type { FollowOptions } from './connection.ts';
import { type DroverEvent, type EventName, type EventsOptions, type EventType, readEvents } from './events.ts';
import { type ExportOptions, exportEvents } from './export.ts';
import { type Operations, operations } from './generated.ts';
import { createHttp, type Http, type HttpOptions, readJson } from './http.ts';
import { followOverview, type Overview } from './overview.ts';

type Request<Name extends keyof Operations> = Operations[Name]['request'];

/** A function for each operation of the API that takes and answers JSON, by its name in the OpenAPI document. */
export type Calls = {
  readonly [Name in keyof Operations]: Record<never, never> extends Request<Name>
    ? (request?: Request<Name>) => Promise<Operations[Name]['answer']>
    : (request: Request<Name>) => Promise<Operations[Name]['answer']>;
};

/** A coordinator. Every function rejects with a `DroverProblem` if it refuses, with `DroverUnreachable` if it does not answer. */
export interface Drover extends Calls, Http {
  /** The log: see {@link EventsOptions}. */
  events<Type extends EventType | EventName = EventType>(
    options?: EventsOptions<Type>,
  ): AsyncGenerator<DroverEvent<Type>, void, undefined>;
  /** The overview as it changes: see {@link followOverview}. */
  followOverview(options?: FollowOptions): AsyncGenerator<Overview, void, undefined>;
  /** The log up to its head as bytes, lines of JSON: see {@link exportEvents}. */
  exportEvents(options?: ExportOptions): AsyncGenerator<Uint8Array, void, undefined>;
}

/** @throws {TypeError} if the URL is not one of http or https */
export function createDrover(options: HttpOptions): Drover {
  if (!/^https?:\/\/[^/]/.test(options.url))
    throw new TypeError(`url: expected one that starts with http:// or https://, got ${options.url}`);
  const http = createHttp(options);
  const calls = Object.fromEntries(
    (Object.keys(operations) as (keyof Operations)[]).map((name) => [
      name,
      (request: object = {}) => call(http, name, request as Readonly<Record<string, unknown>>),
    ]),
  ) as unknown as Calls;
  return {
    ...calls,
    ...http,
    events: (wish = {}) => readEvents(http, wish),
    followOverview: (wish = {}) => followOverview(http, wish),
    exportEvents: (wish = {}) => exportEvents(http, wish),
  };
}

async function call(http: Http, name: keyof Operations, request: Readonly<Record<string, unknown>>): Promise<unknown> {
  const { method, path, query, headers, body } = operations[name];
  const rest = { ...request };
  const take = (field: string): unknown => {
    const value = rest[field];
    delete rest[field];
    return value;
  };
  const filled = path.replace(/\{(\w+)\}/g, (_, field: string) => {
    const value = take(field);
    // Dots alone would be taken for a way through the path, however they are written.
    if (typeof value !== 'string' || /^\.{0,2}$/.test(value))
      throw new TypeError(`${name}: expected ${field}, got ${value}`);
    return encodeURIComponent(value);
  });
  const asked = Object.fromEntries(query.map((field) => [field, take(field) as string | undefined]));
  const given = headers.flatMap((field) => {
    const value = take(field);
    return value === undefined ? [] : [[field, String(value)] as const];
  });
  if (!body && Object.keys(rest).length > 0)
    throw new TypeError(`${name}: expected no field ${Object.keys(rest).join(', ')}`);
  const response = await http.request(method, filled, {
    query: asked,
    headers: { ...(body && { 'content-type': 'application/json' }), ...Object.fromEntries(given) },
    ...(body && { body: JSON.stringify(rest) }),
  });
  return readJson(response, http.url);
}
