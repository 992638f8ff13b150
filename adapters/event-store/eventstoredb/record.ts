import { type EventData, type JSONType, jsonEvent } from '@eventstore/db-client';
import {
  type Commit,
  EventStoreError,
  type Filter,
  type StoredEvent,
  type StreamId,
} from '../../../coordinator/ports/event-store.ts';
import { makeMeta } from '../encode.ts';
import { commitEventId } from './event-id.ts';
import { formatLogPosition, type LogPosition } from './position.ts';

/** Types of the lease stream's events; subscriptions leave them out on the server. */
export const leaseTypePrefix = 'DroverWriterLease';

/** The name of a log, and how its streams are called on the server: `build-1` in `drover`, else `<log>.build-1`. */
export const defaultLog = 'drover';
export const streamName = (log: string, stream: string): string => (log === defaultLog ? stream : `${log}.${stream}`);

/** A commit as the server will store it. `bytes` is how it counts towards the server's limit, rounded up. */
export function encodeRecords(
  commit: Commit,
  data: readonly string[],
  log: string,
  fence: number | undefined,
): { events: EventData[]; bytes: number } {
  const { id, at, meta, previousHash } = commit;
  let bytes = 0;
  const events = commit.events.map(({ type, version }, index) => {
    const metadata = {
      // EventStoreDB's own names: its projection $by_correlation_id reads the first.
      ...(meta.correlation === undefined ? {} : { $correlationId: meta.correlation }),
      ...(meta.causation === undefined ? {} : { $causationId: meta.causation }),
      log,
      commit: id,
      index,
      count: commit.events.length,
      version,
      at,
      actor: meta.actor,
      ...(meta.trace === undefined ? {} : { trace: meta.trace }),
      ...(previousHash === undefined ? {} : { previousHash }),
      ...(fence === undefined ? {} : { fence }),
    };
    const text = data[index] as string;
    bytes += Buffer.byteLength(text) + Buffer.byteLength(JSON.stringify(metadata)) + type.length * 2 + 64;
    // Parsed from the text, so that what the caller changes afterwards is not sent.
    return jsonEvent({ id: commitEventId(id, index), type, data: JSON.parse(text) as JSONType, metadata }) as EventData;
  });
  return { events, bytes };
}

/** What the client gives for a stored record; `data` is anything JSON can say. */
export interface ServerRecord {
  readonly streamId: string;
  readonly id: string;
  readonly revision: bigint;
  readonly type: string;
  readonly data: unknown;
  readonly metadata?: unknown;
  readonly position?: LogPosition;
}

export interface Record {
  readonly event: StoredEvent;
  /** Whether it is the last of its commit. */
  readonly last: boolean;
}

/** Version of the metadata; left out of it while it is 1. */
const format = 1;

/** What older servers give instead of a position: all bits set. */
const noPosition = 2n ** 63n;

const optional = (value: unknown) => (typeof value === 'string' ? value : null);

/** Throws `newer-schema` for what a newer Drover wrote. An event of ours, or `undefined` for everything else that may be on the server: system events, other applications, other logs. */
export function decodeRecord(record: ServerRecord | undefined, log: string): Record | undefined {
  if (!record?.position || typeof record.metadata !== 'object' || record.metadata === null) return undefined;
  const metadata = record.metadata as { readonly [name: string]: unknown };
  const { commit, index, count, version, at, actor } = metadata;
  if (metadata.log !== log || record.streamId.startsWith('$')) return undefined;
  if (typeof metadata.format === 'number' && metadata.format > format) {
    throw new EventStoreError(
      'newer-schema',
      `Event ${record.revision} of ${record.streamId} was written by a newer Drover (format ${metadata.format}, this one knows ${format}). Start that version`,
    );
  }
  if (typeof commit !== 'string' || typeof actor !== 'string' || typeof at !== 'number') return undefined;
  if (record.position.commit >= noPosition) {
    throw new EventStoreError(
      'unavailable',
      'Expected EventStoreDB 22.10 or later, whose stream reads carry positions',
    );
  }
  if (typeof index !== 'number' || typeof count !== 'number' || typeof version !== 'number') return undefined;
  return {
    event: {
      stream: (log === defaultLog ? record.streamId : record.streamId.slice(log.length + 1)) as StreamId,
      revision: Number(record.revision),
      position: formatLogPosition(record.position),
      type: record.type,
      version,
      data: record.data,
      commit,
      at,
      meta: makeMeta(
        actor,
        optional(metadata.$correlationId),
        optional(metadata.$causationId),
        optional(metadata.trace),
      ),
      ...(typeof metadata.previousHash === 'string' && { previousHash: metadata.previousHash }),
    },
    last: index === count - 1,
  };
}

export function passes({ type, stream }: StoredEvent, filter: Filter | undefined): boolean {
  if (filter?.types && !filter.types.includes(type)) return false;
  return filter?.streams?.some((prefix) => stream.startsWith(prefix)) ?? true;
}
