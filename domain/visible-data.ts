import { eventTypes } from './events.ts';
import type { Scope } from './token/events.ts';

/**
 * `data` of a stored event as a token of this scope may see it: fields that an event type declares as derived from a
 * secret are left out for all but `admin`. The same in whatever version it was written.
 */
export function visibleData(type: string, data: unknown, scope: Scope): unknown {
  const hidden = scope === 'admin' ? undefined : eventTypes.get(type)?.adminOnly;
  if (hidden === undefined || hidden.length === 0 || typeof data !== 'object' || data === null) return data;
  return Object.fromEntries(Object.entries(data).filter(([field]) => !hidden.includes(field)));
}
