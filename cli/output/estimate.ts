import type { Estimate } from '../../coordinator/application.ts';
import { duration, plural } from './text.ts';

/** When it may end, and what of that is not known: `in about 12m (3 of 40 builds never built before)`. */
export function estimateText({ endsAt, builds, unknown, without }: Estimate, now: number): string {
  const notes = [
    ...(unknown > 0 ? [`${unknown} of ${plural(builds, 'build')} never built before`] : []),
    ...(without > 0 ? [`without ${without} that cannot run as it stands`] : []),
  ];
  const end = endsAt === undefined ? 'not known' : endsAt <= now ? 'any moment' : `in about ${roughly(endsAt - now)}`;
  return notes.length === 0 ? end : `${end} (${notes.join(', ')})`;
}

/** No more precise than such a figure can be. */
function roughly(ms: number): string {
  const seconds = ms / 1000;
  const step = seconds < 120 ? 5 : seconds < 600 ? 30 : seconds < 7200 ? 60 : 600;
  return duration(Math.max(step, Math.round(seconds / step) * step) * 1000);
}
