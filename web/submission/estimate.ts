import type { Operations } from 'drover/client';
import { duration } from '../words/format.ts';

export type Estimate = Operations['getSubmissionOutlook']['answer']['estimate'];

/** When it may end, no more precise than such a figure can be: `in about 12 min`. */
export function endText({ endsAt }: Pick<Estimate, 'endsAt'>, now: number): string {
  if (endsAt === undefined) return 'not known';
  if (endsAt <= now) return 'any moment';
  const seconds = (endsAt - now) / 1000;
  const step = seconds < 120 ? 5 : seconds < 600 ? 30 : seconds < 7200 ? 60 : 600;
  return `in about ${duration(Math.max(step, Math.round(seconds / step) * step) * 1000).replace('.0', '')}`;
}

/** What of that is not known. */
export function doubtsOf({ builds, unknown, without }: Estimate): readonly string[] {
  return [
    ...(unknown > 0
      ? [builds === 1 ? 'that build was never built before' : `${unknown} of ${builds} builds were never built before`]
      : []),
    ...(without > 0 ? [`without ${without} that cannot run as it stands`] : []),
  ];
}
