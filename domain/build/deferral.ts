import type { BuildOptions } from '../submission/events.ts';

/** How far ahead a build can be deferred to, in milliseconds: a leap year. What is meant to wait longer is submitted then. */
export const longestDeferralMs: number = 366 * 24 * 60 * 60 * 1000;

/** Why nothing can be deferred to an instant (milliseconds since the Unix epoch); `undefined` if it can. One that has passed means at once. */
export function deferralExcess(until: number, now: number): string | undefined {
  if (until - now <= longestDeferralMs) return undefined;
  const latest = new Date(now + longestDeferralMs).toISOString();
  const got = until > 8.64e15 ? String(until) : new Date(until).toISOString();
  return `expected a time in the next 366 days, until ${latest}, got ${got}`;
}

/** The options without a deferral that has passed, as a build that is made now has them. */
export function withoutPastDeferral(options: BuildOptions, now: number): BuildOptions {
  const { deferUntil, ...others } = options;
  return deferUntil === undefined || deferUntil > now ? options : others;
}
