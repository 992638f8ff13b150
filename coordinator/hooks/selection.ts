import type { HookConditions, HookDefinition } from '../../domain/hook/definition.ts';
import { type EventFacts, matchesConditions } from '../../domain/hook/match.ts';
import { createBrokenNames } from '../../projections/broken-names.ts';
import type { EventStore, Position, StoredEvent } from '../ports/event-store.ts';
import { builtInOf } from './built-ins.ts';
import type { StoredFacts } from './stored-facts.ts';

/** What a hook gets that is told of changes only: what it is depends on all that came before in the log. */
export interface Selection {
  /** Types of events that it has to see. */
  readonly types: readonly string[];
  /** The event with what changed by it, if the hook is to get it. To be called with each event of these types in the order of the log. */
  take(event: StoredEvent): SelectedEvent | undefined;
}
export interface SelectedEvent extends StoredEvent {
  readonly facts: EventFacts;
}

type FactsOf = (event: StoredEvent) => EventFacts;

/** `undefined` for hooks whose conditions alone say what they get. */
export function selectionOf(definition: HookDefinition, factsOf: FactsOf): Selection | undefined {
  const builtIn = builtInOf(definition.target);
  if (builtIn?.changesOnly !== true) return undefined;
  const { on, where } = definition;
  const broken = createBrokenNames();
  return {
    types: builtIn.types,
    take(event) {
      const facts = factsOf(event);
      const { name, system } = facts;
      const ok = event.type !== 'BuildFailed';
      if (name === undefined || system === undefined) return undefined;
      if (!matchesConditions(ok ? whereFixed(where) : where, facts)) return undefined;
      const id = `${event.stream}@${event.revision}`;
      const change = broken.take({ event: id, at: event.at, name, system, ok });
      return change && on.includes(event.type) ? { ...event, facts: { ...facts, change } } : undefined;
    },
  };
}

/** A success has no class, and may come from any agent. */
function whereFixed(where: HookConditions | undefined): HookConditions | undefined {
  if (where === undefined) return undefined;
  const { classes: _, agents: __, ...rest } = where;
  return rest;
}

/** Has the selection see the log up to the position; yields what the hook gets, or got, of that. */
export async function* selectUpTo(
  selection: Selection,
  facts: Pick<StoredFacts, 'recall'>,
  log: Pick<EventStore, 'readAll'>,
  position: Position,
  signal?: AbortSignal,
): AsyncIterable<SelectedEvent> {
  const wish = { filter: { types: [...selection.types] }, ...(signal && { signal }) };
  for await (const { events } of log.readAll(wish)) {
    await facts.recall(events);
    for (const event of events) {
      if (event.position > position) return;
      const selected = selection.take(event);
      if (selected) yield selected;
    }
  }
}
