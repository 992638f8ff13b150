/**
 * How it stands with a build that is queued; each has exactly one. `blocked`: nothing under way can set it going, a person has to act (see
 * projections/blocked.ts); `deferred`: it is not wanted before a time that somebody gave; `waiting`: for inputs that are coming; `backoff`:
 * for the time of its next attempt; `ready`: for a slot.
 */
export const standings = ['blocked', 'deferred', 'waiting', 'backoff', 'ready'] as const;
export type Standing = (typeof standings)[number];
