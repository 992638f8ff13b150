import type { Decision } from '../event.ts';
import type { Checkpoint } from './checkpoint.ts';
import { type HookDefinition, type HookPlace, parseEventId } from './definition.ts';
import type { HookEvent } from './events.ts';
import { type HookState, parkedEvents } from './state.ts';

type Parking = Extract<HookEvent, { type: 'HookParked' }>['data'];

export type HookCommand =
  | {
      readonly type: 'add';
      readonly definition: HookDefinition;
      readonly source: 'api' | 'config';
      /** Where the caller wants it to begin; if it does not say, one that was removed goes on from its place. */
      readonly from: HookPlace | undefined;
      /** Where a new one begins if the caller does not say. */
      readonly now: HookPlace;
    }
  | { readonly type: 'change'; readonly definition: HookDefinition; readonly source: 'api' | 'config' }
  | { readonly type: 'pause'; readonly reason: string | undefined }
  | { readonly type: 'resume' }
  | { readonly type: 'remove'; readonly reason: string | undefined }
  | { readonly type: 'checkpoint'; readonly checkpoint: Checkpoint }
  | { readonly type: 'park'; readonly parking: Parking }
  /** Of parked events, all of them if none are named. */
  | { readonly type: 'retry-parked'; readonly events: readonly string[] | undefined }
  /** Events that are parked or fail; all that are parked if none are named. */
  | { readonly type: 'skip'; readonly events: readonly string[] | undefined; readonly reason: string | undefined }
  | { readonly type: 'replay'; readonly from: HookPlace; readonly kept: readonly string[] };

export type HookRefusal =
  | { readonly code: 'unknown-hook' }
  | { readonly code: 'hook-exists' }
  /** The hook does not hold this event, or it is not parked. */
  | { readonly code: 'hook-event-not-held'; readonly event: string };

/** Decides a wish about one hook. Repeats of what has happened already are granted with no events. */
export function decideHook(state: HookState, command: HookCommand): Decision<HookEvent, HookRefusal> {
  if (command.type === 'add') {
    if (state.status === 'active' || state.status === 'paused') return { refused: { code: 'hook-exists' } };
    const from = command.from ?? (state.status === 'none' ? command.now : undefined);
    const { definition, source } = command;
    return { events: [{ type: 'HookAdded', data: { definition, source, ...(from !== undefined && { from }) } }] };
  }
  if (state.status === 'none' || state.status === 'removed') {
    if (command.type === 'remove' && state.status === 'removed') return { events: [] };
    return { refused: { code: 'unknown-hook' } };
  }
  switch (command.type) {
    case 'change': {
      const { definition, source } = command;
      if (source === state.source && same(definition, state.definition)) return { events: [] };
      return { events: [{ type: 'HookChanged', data: { definition, source } }] };
    }
    case 'pause':
      return { events: state.status === 'paused' ? [] : [{ type: 'HookPaused', data: withReason(command.reason) }] };
    case 'resume':
      return { events: state.status === 'active' ? [] : [{ type: 'HookResumed', data: {} }] };
    case 'remove':
      return { events: [{ type: 'HookRemoved', data: withReason(command.reason) }] };
    case 'checkpoint':
      return { events: [{ type: 'HookCheckpointed', data: command.checkpoint }] };
    case 'park':
      return { events: [{ type: 'HookParked', data: command.parking }] };
    case 'retry-parked': {
      const parked = new Set(parkedEvents(state));
      const events = command.events ?? [...parked];
      const stranger = events.find((event) => !parked.has(event));
      if (stranger !== undefined) return { refused: { code: 'hook-event-not-held', event: stranger } };
      return { events: events.length === 0 ? [] : [{ type: 'HookRetried', data: { events: [...events] } }] };
    }
    case 'skip': {
      const events = command.events ?? parkedEvents(state);
      const stranger = events.find((event) => {
        const { stream, revision } = parseEventId(event);
        return state.held.get(stream)?.revision !== revision;
      });
      if (stranger !== undefined) return { refused: { code: 'hook-event-not-held', event: stranger } };
      if (events.length === 0) return { events: [] };
      return { events: [{ type: 'HookSkipped', data: { events: [...events], ...withReason(command.reason) } }] };
    }
    case 'replay': {
      const { from, kept } = command;
      return { events: [{ type: 'HookReplayed', data: { from, ...(kept.length > 0 && { kept: [...kept] }) } }] };
    }
  }
}

function withReason(reason: string | undefined): { reason?: string } {
  return reason === undefined ? {} : { reason };
}

/** Both have passed the same schema. */
function same(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
