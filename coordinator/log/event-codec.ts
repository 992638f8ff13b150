import type * as z from 'zod';
import type { DomainEvent, EventType } from '../../domain/event.ts';
import { type DroverEvent, eventTypes } from '../../domain/events.ts';
import type { NewEvent, StoredEvent } from '../ports/event-store.ts';
import { quickCheckOf } from './quick-check.ts';

/** A stored event whose type and version this program knows: `data` is of the newest version and has passed its schema. */
export interface KnownEvent<Event extends DomainEvent = DomainEvent> extends Omit<StoredEvent, 'data' | 'type'> {
  readonly known: true;
  readonly type: Event['type'];
  readonly data: Event['data'];
}
/**
 * One that it does not know, for example written by a newer Drover before a downgrade. Left as it is and skipped by
 * whoever folds events; `problem` is for the log.
 */
export interface UnknownEvent extends StoredEvent {
  readonly known: false;
  readonly problem: string;
}

export interface EventCodec {
  /** What goes to the store. Throws for an unknown type or data that its schema refuses: only a bug makes such an event. */
  encode(event: DomainEvent): NewEvent;
  /** Never throws, whatever is stored. */
  decode(stored: StoredEvent): KnownEvent | UnknownEvent;
}

/** Validates on the way to the store; upcasts and validates on the way back. */
export function createEventCodec(types: ReadonlyMap<string, EventType>): EventCodec {
  const quickChecks = new Map([...types].map(([type, { schema }]) => [type, quickCheckOf(schema)]));
  /** The data that the schema makes of these, or what it says is wrong with them. */
  function check({ type, schema }: EventType, data: unknown): z.ZodSafeParseResult<unknown> {
    return quickChecks.get(type)?.(data) ? { success: true, data } : schema.safeParse(data);
  }

  return {
    encode({ type, data }) {
      const known = types.get(type);
      if (!known) throw new TypeError(`Expected a known type of event, got ${type}`);
      const checked = check(known, data);
      if (!checked.success)
        throw new TypeError(`Data of ${type} v${known.version}: ${problemOf(checked.error)}`, { cause: checked.error });
      return { type, version: known.version, data: checked.data };
    },
    decode(stored) {
      const known = types.get(stored.type);
      const unknown = (problem: string): UnknownEvent => ({ ...stored, known: false, problem });
      if (!known) return unknown(`unknown type ${stored.type}`);
      if (!Number.isInteger(stored.version) || stored.version < 1 || stored.version > known.version) {
        return unknown(`version ${stored.version} of ${stored.type}, expected 1 to ${known.version}`);
      }
      let { data } = stored;
      try {
        data = upcast(known, stored.version, data);
      } catch (error) {
        return unknown(
          `upcasting ${stored.type} v${stored.version} failed: ${error instanceof Error ? error.message : error}`,
        );
      }
      const checked = check(known, data);
      if (!checked.success) return unknown(`data of ${stored.type} v${stored.version}: ${problemOf(checked.error)}`);
      // Written out: this runs once per event of a replay, and a spread of the stored event costs more than the check.
      return {
        known: true,
        type: stored.type,
        version: known.version,
        data: checked.data,
        stream: stored.stream,
        revision: stored.revision,
        position: stored.position,
        commit: stored.commit,
        at: stored.at,
        meta: stored.meta,
      };
    },
  };
}

/** Data of an older version in the newest one's form. */
export function upcast({ version: newest, upcasters }: EventType, version: number, data: unknown): unknown {
  let upcasted = data;
  for (let step = version; step < newest; step++) upcasted = upcasters[step - 1]?.(upcasted);
  return upcasted;
}

function problemOf(error: { issues: readonly { path: readonly PropertyKey[]; message: string }[] }): string {
  return error.issues.map(({ path, message }) => `${path.map(String).join('.') || 'data'}: ${message}`).join('; ');
}

const codec = createEventCodec(eventTypes);
/** {@link EventCodec.encode} for every event type of Drover. */
export const encodeEvent = codec.encode;
/** {@link EventCodec.decode} for every event type of Drover. */
export const decodeEvent = codec.decode as (stored: StoredEvent) => RecordedEvent | UnknownEvent;

/** An event of Drover with its envelope. */
export type RecordedEvent = DroverEvent & Omit<KnownEvent, 'type' | 'data'>;
