import { eventTypes } from './events.ts';
import type { Scope } from './token/events.ts';

/** Whether a token of scope `admin` sees more of such events than others. */
export function hasAdminOnly(type: string): boolean {
  return (eventTypes.get(type)?.adminOnly.length ?? 0) > 0;
}

/**
 * `data` of a stored event as a token of this scope may see it: fields that an event type declares as derived from a
 * secret are left out for all but `admin`. The same in whatever version it was written.
 */
export function visibleData(type: string, data: unknown, scope: Scope): unknown {
  const hidden = scope === 'admin' ? undefined : eventTypes.get(type)?.adminOnly;
  if (hidden === undefined || hidden.length === 0 || typeof data !== 'object' || data === null) return data;
  return Object.fromEntries(Object.entries(data).filter(([field]) => !hidden.includes(field)));
}
