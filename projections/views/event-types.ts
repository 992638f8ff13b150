import { DerivationAdded } from '../../domain/derivation/events.ts';
import type { EventType } from '../../domain/event.ts';
import { eventTypes } from '../../domain/events.ts';

/** Every type of event as the views look at it. The inputs of a derivation are most of a log, and no row has anything of them: whoever decides by them checks them. */
export const viewEventTypes: ReadonlyMap<string, EventType> = new Map([
  ...eventTypes,
  [
    DerivationAdded.type,
    { ...DerivationAdded, schema: DerivationAdded.schema.pick({ path: true, system: true, outputs: true }).loose() },
  ],
]);
