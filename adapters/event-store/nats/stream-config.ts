import { DiscardPolicy, RetentionPolicy, StorageType, type StreamConfig } from 'nats';
import { EventStoreError } from '../../../coordinator/ports/event-store.ts';
import type { Connection } from './connection.ts';
import { isMissingStream } from './errors.ts';
import type { AskCluster } from './forming.ts';
import type { NatsOptions } from './options.ts';
import { subjectsOf } from './subject.ts';

/** What of a stream's settings the adapter works by. */
export interface LogSettings {
  readonly replicas: number;
  readonly storage: 'file' | 'memory';
  /** Limit of the stream on one message, in bytes; -1: none beside the server's. */
  readonly maxMessage: number;
}

const nanosPerSecond = 1_000_000_000;
/** The server remembers message ids for so long; the adapter itself remembers for ever, so this is only for retries in flight. */
const duplicateWindow = 120 * nanosPerSecond;

/** Makes the stream if it is missing (`create`), and refuses one whose settings could lose, change or reorder events. */
export async function ensureStream(
  connection: Connection,
  options: NatsOptions,
  { create, ask }: { readonly create: boolean; readonly ask: AskCluster },
): Promise<LogSettings> {
  const refusal = refuseServer(connection.version);
  if (refusal) throw new EventStoreError('unavailable', `NATS at ${connection.servers}: ${refusal}`);
  const { streams } = connection.jsm;
  const { stream } = options;
  const found = await ask(`looking for the stream ${stream}`, () =>
    streams.info(stream).catch((error: unknown) => {
      if (!isMissingStream(error)) throw error;
    }),
  );
  if (!found && !create)
    throw new EventStoreError(
      'unavailable',
      `NATS at ${connection.servers} has no stream ${stream}. The coordinator makes it when it starts`,
    );
  const { config } = found ?? (await ask(`making the stream ${stream}`, () => streams.add(wanted(options))));
  const problems = findProblems(config, options);
  if (problems.length > 0) {
    throw new EventStoreError(
      'unavailable',
      `The stream ${stream} at ${connection.servers} cannot hold the log: ${problems.join('; ')}. Give Drover a stream of its own, which it makes itself`,
    );
  }
  return {
    replicas: config.num_replicas,
    storage: config.storage === StorageType.Memory ? 'memory' : 'file',
    maxMessage: config.max_msg_size ?? -1,
  };
}

function wanted({ stream, replicas = 1, storage = 'file' }: NatsOptions): Partial<StreamConfig> {
  return {
    name: stream,
    description: 'Event log of Drover; docs/engines.md says what is in it',
    subjects: [subjectsOf(stream).all],
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
    storage: storage === 'memory' ? StorageType.Memory : StorageType.File,
    num_replicas: replicas,
    duplicate_window: duplicateWindow,
    deny_delete: true,
    deny_purge: true,
    allow_rollup_hdrs: false,
  };
}

/** Why a server of this version is not to hold a log, or `undefined`. Exported for its test. */
export function refuseServer(version: string): string | undefined {
  const [major = 0, minor = 0, patch = 0] = (/^(\d+)\.(\d+)\.(\d+)/.exec(version) ?? []).slice(1).map(Number);
  const number = (major * 1000 + minor) * 1000 + patch;
  if (number < 2_009_010) return `Expected nats-server 2.9.10 or newer, got ${version || 'no version'}`;
  // A process that dies could take a whole stream with it (fixed in 2.10.23).
  if (number >= 2_010_020 && number <= 2_010_022)
    return `nats-server ${version} can lose a stream when it dies; expected 2.10.23 or newer, or one before 2.10.20`;
  return undefined;
}

/** `persist_mode` came with 2.12; the client does not know it. */
type KnownConfig = Partial<StreamConfig> & { persist_mode?: string };

/** What makes a stream unfit for a log. Exported for its test. */
export function findProblems(
  config: KnownConfig,
  { stream, replicas, storage = 'file' }: Pick<NatsOptions, 'stream' | 'replicas' | 'storage'>,
): string[] {
  const problems: string[] = [];
  const expect = (name: string, got: unknown, ...allowed: unknown[]) => {
    if (!allowed.includes(got))
      problems.push(`expected ${name} to be ${JSON.stringify(allowed[0])}, got ${JSON.stringify(got)}`);
  };
  const { all } = subjectsOf(stream);
  expect('subjects', config.subjects?.join(' '), all);
  expect('retention', config.retention, RetentionPolicy.Limits);
  expect('storage', config.storage, storage === 'memory' ? StorageType.Memory : StorageType.File);
  expect('deny_delete', config.deny_delete ?? false, true);
  expect('deny_purge', config.deny_purge ?? false, true);
  expect('allow_rollup_hdrs', config.allow_rollup_hdrs ?? false, false);
  expect('no_ack', config.no_ack ?? false, false);
  expect('sealed', config.sealed ?? false, false);
  expect('max_age', config.max_age ?? 0, 0);
  expect('max_msgs_per_subject', config.max_msgs_per_subject ?? -1, -1, 0);
  // With "old" a full stream drops its first events to make room.
  if (config.discard !== DiscardPolicy.New) {
    expect('max_msgs', config.max_msgs ?? -1, -1, 0);
    expect('max_bytes', config.max_bytes ?? -1, -1, 0);
  }
  expect('mirror', config.mirror ?? null, null);
  expect('sources', config.sources?.length ?? 0, 0);
  expect('subject_transform', config.subject_transform ?? null, null);
  if (config.persist_mode !== undefined) expect('persist_mode', config.persist_mode, 'default');
  if (replicas !== undefined) expect('num_replicas', config.num_replicas, replicas);
  return problems;
}

/** Whether an acknowledgement means stable storage, and if not, why and what to do. */
export function durabilityOf(
  version: string,
  { replicas, storage }: LogSettings,
  syncAlways: boolean,
): string | undefined {
  if (storage === 'memory')
    return `the stream is in the servers' memory: what was acknowledged is lost when ${replicas === 1 ? 'the server stops' : 'a majority of them stops'}`;
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const canSync = major > 2 || (major === 2 && minor >= 10);
  if (syncAlways && canSync) return undefined;
  const what = replicas === 1 ? 'a power cut of its machine' : 'power cuts of several machines at once';
  const interval = canSync ? 'sync_interval (2 minutes if not set)' : '60 seconds';
  const remedy = canSync
    ? 'Set `sync_interval: always` on every server and sync=always in the URL'
    : `nats-server ${version} cannot do otherwise; 2.10 and later can`;
  return `nats-server acknowledges before it syncs: ${what} can lose what was acknowledged in the last ${interval}; the end of its process alone loses nothing. ${remedy}`;
}
