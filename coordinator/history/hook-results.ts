import type { HookPlace } from '../../domain/hook/definition.ts';
import { isFor } from '../../domain/hook/match.ts';
import { factsOf } from '../../projections/event-facts.ts';
import type { Farm } from '../../projections/farm.ts';
import type { HookRecord } from '../../projections/hooks.ts';
import { isThere } from '../../projections/hooks.ts';
import type { Core } from '../core.ts';
import { builtInOf } from '../hooks/built-ins.ts';
import { readEvent } from '../hooks/places.ts';
import { decodeEvent, type RecordedEvent } from '../log/event-codec.ts';
import type { Position, StreamId } from '../ports/event-store.ts';
import type { HookResult } from './entries.ts';

export interface HookOutcome {
  readonly hook: string;
  /** The event that it was for. */
  readonly event: RecordedEvent;
  readonly result: HookResult;
  /** When that was written down, and where; of the event itself where it was not. */
  readonly at: number;
  readonly position: Position | undefined;
  /** Deliveries that failed, as far as is known. */
  readonly attempts: number;
  /** Why it is not known whether the event was for the hook: which are depends on all events before, or the hook was another then. */
  readonly unsure?: 'changes-only' | 'other-then';
}

/** What an event of the hook says of one that is for it. */
interface Seen extends Pick<HookOutcome, 'result' | 'at' | 'position' | 'attempts'> {
  readonly revision: number;
}

/** Events of a hook that are read to find when it had delivered something. */
const mostRead = 100;

/**
 * How each hook that there is stands with events of one stream. Whether an event is settled follows from the hook's state; when it was, from
 * the first checkpoint that covers it, which is looked for in the hook's stream from the event on.
 *
 * @param events of one stream, in order.
 * @param then a farm that knows the build whose events they are
 */
export async function hookOutcomes(
  { farm, log }: Pick<Core, 'farm' | 'log'>,
  events: readonly RecordedEvent[],
  then: Farm,
): Promise<readonly HookOutcome[]> {
  const positions = new Map<string, Promise<Position | undefined>>();
  const positionOf = (id: string): Promise<Position | undefined> => {
    const found = positions.get(id) ?? readEvent(log, id).then((event) => event?.position);
    positions.set(id, found);
    return found;
  };
  const idOf = ({ stream, revision }: RecordedEvent): string => `${stream}@${revision}`;

  /** Whether everything up to the position lies within the place. */
  async function covers({ after, before }: HookPlace, position: Position): Promise<boolean> {
    const end = await positionOf(after ?? before ?? '-@0');
    return end !== undefined && (after === undefined ? position < end : position <= end);
  }

  async function outcomesOf(hook: HookRecord): Promise<readonly HookOutcome[]> {
    const { name, state } = hook;
    const definition = state.definition;
    if (definition === undefined) return [];
    const matching = events.filter((event) => isFor(definition, name, event, factsOfBuild(then, event)));
    const stream = `hook-${name}` as StreamId;
    const first = matching.length === 0 ? undefined : await firstOf(stream);
    const owed: RecordedEvent[] = [];
    for (const event of matching) {
      // Where it began: what was before that was never for it.
      const begins = first?.type === 'HookAdded' && first.data.from ? first.data.from : undefined;
      const isBefore = begins && (begins.after ?? begins.before) && (await covers(begins, event.position));
      if (!isBefore) owed.push(event);
    }
    if (owed.length === 0) return [];
    const found = await scan(stream, hook.revision, owed);
    const unsure = builtInOf(definition.target)?.changesOnly ? ({ unsure: 'changes-only' } as const) : {};
    const outcomes: HookOutcome[] = [];
    for (const event of owed) {
      const held = state.held.get(event.stream);
      const base = { hook: name, event, attempts: 0, at: event.at, position: undefined };
      const seen = found.get(idOf(event));
      if (held && held.revision <= event.revision) {
        const own = held.revision === event.revision;
        const result = own && held.parked ? 'parked' : own && held.attempts > 0 ? 'failing' : 'owed';
        outcomes.push({
          ...base,
          ...(result === 'parked' && seen),
          ...(result === 'owed' && unsure),
          result,
          attempts: own ? held.attempts : 0,
        });
      } else if (seen?.result === 'delivered') {
        const isOther = (seen.revision ?? 0) < hook.chosen;
        const doubt = isOther ? ({ unsure: 'other-then' } as const) : unsure;
        outcomes.push({ ...base, ...seen, ...doubt, ...('unsure' in doubt && { result: 'settled' }) });
      } else if (seen) outcomes.push({ ...base, ...seen });
      else {
        const isSettled = await covers(state.place, event.position);
        outcomes.push({ ...base, ...unsure, result: isSettled ? 'settled' : 'owed' });
      }
    }
    return outcomes;
  }

  async function firstOf(stream: StreamId): Promise<RecordedEvent | undefined> {
    for await (const stored of log.read(stream, { limit: 1 })) {
      const event = decodeEvent(stored);
      return event.known ? event : undefined;
    }
    return undefined;
  }

  /** The first event of the hook that says of each that it is settled or parked. */
  async function scan(
    stream: StreamId,
    head: number,
    owed: readonly RecordedEvent[],
  ): Promise<ReadonlyMap<string, Seen>> {
    const found = new Map<string, Seen>();
    const from = await firstAfter(stream, head, (owed[0] as RecordedEvent).position);
    let through: Position = '';
    let held: number | undefined; // The first event of the build's stream that is not settled, where it is held.
    for await (const stored of log.read(stream, { from, limit: mostRead })) {
      const event = decodeEvent(stored);
      if (!event.known) continue;
      const { at, position, revision } = event;
      if (event.type === 'HookParked')
        found.set(event.data.event, { result: 'parked', at, position, revision, attempts: event.data.attempts });
      else if (event.type === 'HookRetried') for (const id of event.data.events) found.delete(id);
      else if (event.type === 'HookSkipped')
        for (const id of event.data.events) found.set(id, { result: 'skipped', at, position, revision, attempts: 0 });
      else if (event.type === 'HookReplayed' || (event.type === 'HookAdded' && event.data.from)) {
        const own = (owed[0] as RecordedEvent).stream;
        const isKept = event.type === 'HookReplayed' && event.data.kept?.includes(own) === true;
        if (!isKept) held = undefined;
        for (const one of owed) {
          const id = idOf(one);
          // What is after the place comes again; what it leaves behind was delivered before, or is left out.
          if (!(await covers(event.data.from as HookPlace, one.position))) found.delete(id);
          else if (!isKept && found.get(id)?.result !== 'delivered')
            found.set(id, { result: 'skipped', at, position, revision, attempts: 0 });
        }
        through = '';
      } else if (event.type === 'HookCheckpointed') {
        const own = (owed[0] as RecordedEvent).stream;
        if (event.data.released?.includes(own)) held = undefined;
        held = event.data.held?.find((one) => one.stream === own)?.revision ?? held;
        through = (event.data.through && (await positionOf(event.data.through))) ?? through;
        for (const one of owed) {
          const isSettled =
            one.position <= through ? held === undefined || held > one.revision : (held ?? 0) > one.revision;
          const known = found.get(idOf(one));
          if (isSettled && (known === undefined || known.result === 'parked'))
            found.set(idOf(one), { result: 'delivered', at, position, revision, attempts: 0 });
        }
      }
    }
    return found;
  }

  /** The first revision of the stream that lies after the position; by halves, as a hook may have written a checkpoint a second for years. */
  async function firstAfter(stream: StreamId, head: number, position: Position): Promise<number> {
    let low = 0;
    let high = head + 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const at = await positionOf(`${stream}@${middle}`);
      if (at === undefined || at > position) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  const outcomes: HookOutcome[] = [];
  if (events.length > 0)
    for (const hook of farm.hooks.all()) if (isThere(hook)) outcomes.push(...(await outcomesOf(hook)));
  return outcomes;
}

function factsOfBuild(farm: Core['farm'], event: RecordedEvent): ReturnType<typeof factsOf> {
  return factsOf(farm, 'build', event.stream.slice('build-'.length), event);
}
