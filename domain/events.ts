import { agentEvents } from './agent/events.ts';
import { auditEvents } from './audit/events.ts';
import { buildEvents } from './build/events.ts';
import { derivationEvents } from './derivation/events.ts';
import type { EventOf, EventType } from './event.ts';
import { historyEvents } from './history/events.ts';
import { hookEvents } from './hook/events.ts';
import { itemEvents } from './item/events.ts';
import { memoryEvents } from './memory/events.ts';
import { rootEvents } from './root/events.ts';
import { submissionEvents } from './submission/events.ts';
import { tokenEvents } from './token/events.ts';

/** Event types by the category of stream they are on: `build-…`, `item-…` and so on. */
export const eventsByCategory = {
  submission: submissionEvents,
  derivation: derivationEvents,
  build: buildEvents,
  agent: agentEvents,
  item: itemEvents,
  token: tokenEvents,
  hook: hookEvents,
  audit: auditEvents,
  root: rootEvents,
  history: historyEvents,
  memory: memoryEvents,
} as const;

export type Category = keyof typeof eventsByCategory;
export type DroverEvent = EventOf<(typeof eventsByCategory)[Category][number]>;

/** Every event type of Drover by its name. */
export const eventTypes: ReadonlyMap<string, EventType> = new Map(
  Object.values(eventsByCategory).flatMap((types) => types.map((type) => [type.type, type] as [string, EventType])),
);
