import type { BuildRecord } from '../../projections/builds.ts';
import { type Outlook, outlook } from '../../projections/outlook.ts';
import type { Core } from '../core.ts';
import type { InSlices } from '../slices.ts';

/** How far submissions are, worked out at most so often that it takes a small share of the time, whoever asks and how many do. */
export interface Outlooks {
  of(submission: string, builds: readonly BuildRecord[]): Promise<Outlook>;
}

/** An answer is given again for so many times as long as it took, and at least for so many milliseconds. */
const restFactor = 30;
const leastRestMs = 500;
/** Answers that are kept. */
const mostKept = 100;

interface Kept {
  readonly answer: Promise<Outlook>;
  /** When it is too old, by the monotonic clock. */
  until: number;
}

export function createOutlooks({ farm, runtime }: Pick<Core, 'farm' | 'runtime'>, inSlices: InSlices): Outlooks {
  const { clock } = runtime;
  const kept = new Map<string, Kept>();

  return {
    of(submission, builds) {
      const known = kept.get(submission);
      if (known && clock.monotonic() < known.until) return known.answer;
      kept.delete(submission);
      const [oldest] = kept.keys();
      if (kept.size >= mostKept && oldest !== undefined) kept.delete(oldest);
      // Those who ask while it is worked out get the same.
      let ms = 0;
      const answer = inSlices(outlook(farm, builds, clock.now()), {
        took(own) {
          ms = own;
        },
      });
      const entry: Kept = { answer, until: Number.POSITIVE_INFINITY };
      kept.set(submission, entry);
      const rest = (): void => {
        entry.until = clock.monotonic() + Math.max(leastRestMs, ms * restFactor);
      };
      answer.then(rest, () => kept.get(submission) === entry && kept.delete(submission));
      return answer;
    },
  };
}
