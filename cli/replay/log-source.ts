import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { openEventStore } from '../../adapters/event-store/open.ts';
import { type DroverEvent, type EventsOptions, type EventType, eventName, readEvents } from '../../client/events.ts';
import type { FarmStatus } from '../../coordinator/application.ts';
import {
  type Filter,
  type IndexCheck,
  isEventStoreError,
  type Position,
  type StoredEvent,
} from '../../coordinator/ports/event-store.ts';
import { hookDefaults } from '../../domain/hook/definition.ts';
import { type Client, toCliError } from '../http/client.ts';
import { type ConnectionFlags, connect } from '../http/connection.ts';
import { lossTeller } from '../http/event-feed.ts';
import { jsonLines } from '../http/json-lines.ts';
import { CliError } from '../output/cli-error.ts';
import type { Io } from '../output/io.ts';
import { folderOfLog } from './coordinator-folder.ts';
import { logAddress, storeAddress } from './store-address.ts';

/** Flags that say where a log is: a running coordinator if none of its own is given. */
export interface LogFlags extends ConnectionFlags {
  readonly data?: string;
  readonly store?: string;
}

/** A log, wherever it is: read from its first event to its end as it is when the reading begins. */
export interface LogSource extends AsyncDisposable {
  /** Position of the last event, `undefined` if there is none. */
  head(): Promise<Position | undefined>;
  events(signal: AbortSignal): AsyncIterable<StoredEvent>;
  /** Of a log that is read without a coordinator: those events alone. */
  only?(filter: Filter, signal: AbortSignal): AsyncIterable<StoredEvent>;
  /** What has to be known of what was read, a sentence each. */
  readonly notes: readonly string[];
  /** Where the engine keeps an index of it that can be checked: takes what {@link events} gives. */
  readonly index?: IndexCheck | undefined;
}

/**
 * Opens what the flags name. What is wrong with it is a `CliError`.
 *
 * @param exact for every event as it is stored, with the text of its data as far as the engine can say; of a running coordinator for admins only.
 */
export async function openLog(
  flags: LogFlags,
  io: Pick<Io, 'environment' | 'err'>,
  signal: AbortSignal,
  { as = 'drover replay', exact = false } = {},
): Promise<LogSource> {
  const { data, store } = flags;
  if (data === undefined && store === undefined) return overHttp(flags, io, signal, exact);
  if (data !== undefined && store !== undefined)
    throw new CliError('invalid-request', 'expected one of --data and --store, got both', { exitCode: 2 });
  const address = store === undefined ? logAddress() : storeAddress('--store', store);
  if (address.kind === 'sqlite') folderOfLog(address.dir ?? data ?? '.');
  // First: whoever reads a file may make an empty events.db-wal.
  const notes = notesOn(address.kind === 'sqlite' ? (address.dir ?? data) : undefined);
  const log = await told(() => openEventStore(address, { dir: data ?? '.', write: false, as }));
  async function* events(signal: AbortSignal, filter?: Filter): AsyncGenerator<StoredEvent> {
    const wish = { ...(exact && { json: 'beside' as const }), ...(filter && { filter }), signal };
    try {
      for await (const { events } of log.readAll(wish)) yield* events;
    } catch (error) {
      throw toldError(error);
    }
  }
  return {
    notes,
    index: exact ? log.checkIndex?.() : undefined,
    head: () => told(() => log.head()),
    events: (stop) => events(stop),
    only: (filter, stop) => events(stop, filter),
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
  };
}

function overHttp(
  flags: LogFlags,
  io: Pick<Io, 'environment' | 'err'>,
  signal: AbortSignal,
  exact: boolean,
): LogSource {
  const client = connect(flags, io, { signal });
  const onLost = lossTeller((line) => io.err(`${line}\n`));
  return {
    notes: [],
    head: async () => (await client.get<FarmStatus>('/v1/status')).position,
    async *events(stop) {
      if (exact) return yield* storedEvents(client, stop);
      try {
        const wish: EventsOptions<EventType> = { follow: false, signal: stop, onLost };
        for await (const event of readEvents(client.http, wish)) yield storedOf(event);
      } catch (error) {
        throw toCliError(error, client.url);
      }
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** Longest line of an answer that has whole events: what a commit may have, and its envelope. */
const longestLine = 16 * 1024 * 1024;

async function* storedEvents(client: Client, signal: AbortSignal): AsyncGenerator<StoredEvent> {
  const response = await client.request('GET', '/v1/log', { signal });
  for await (const line of jsonLines<StoredEvent | { readonly end: string | null }>(response, longestLine)) {
    if ('end' in line) return;
    yield line;
  }
  if (!signal.aborted)
    throw new CliError('unexpected-answer', 'the coordinator ended its answer before the end of the log; try again');
}

/** A file that was copied without what lies beside it may lack its end, and nobody can tell. */
function notesOn(dir: string | undefined): string[] {
  if (dir === undefined || existsSync(join(dir, 'log-id'))) return [];
  if ((statSync(join(dir, 'events.db-wal'), { throwIfNoEntry: false })?.size ?? 0) > 0) return [];
  return [
    `Only events.db is in ${dir}: what the coordinator had in events.db-wal when it was copied is not known, nor what came later.`,
  ];
}

async function told<Value>(ask: () => Promise<Value>): Promise<Value> {
  try {
    return await ask();
  } catch (error) {
    throw toldError(error);
  }
}

function toldError(error: unknown): unknown {
  return isEventStoreError(error) ? new CliError(error.code, error.message, { cause: error }) : error;
}

const definition = { ...hookDefaults, on: ['HookAdded'], target: { kind: 'command', run: 'for admins only' } };
/**
 * Stand-ins for fields that only tokens of scope admin get to see and that an event is not known without. Nothing that is shown of a
 * moment depends on them.
 */
const unseen: Readonly<Record<string, object>> = {
  TokenIssued: { hash: '0'.repeat(64) },
  HookAdded: { definition },
  HookChanged: { definition },
  HookParked: { error: '' },
};

function storedOf(event: DroverEvent): StoredEvent {
  const { stream, revision, position, type, version, data, time, actor, correlation, causation } = event;
  const meta = { actor, ...(correlation && { correlation }), ...(causation && { causation }) };
  const place = { stream: stream as StoredEvent['stream'], revision, position };
  const name = eventName(type);
  return { ...place, type: name, version, data: { ...unseen[name], ...data }, at: Date.parse(time), commit: '', meta };
}
