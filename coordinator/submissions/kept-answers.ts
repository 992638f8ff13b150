import type { Core } from '../core.ts';
import type { InSlices } from '../slices.ts';

/** Answers that take long, each worked out at most so often that it takes a small share of the time, whoever asks and how many do. */
export interface KeptAnswers<Value> {
  /** @param steps what works it out; only begun where no answer is kept */
  of(key: string, steps: () => Generator<undefined, Value>): Promise<Value>;
}

/** An answer is given again for so many times as long as it took, and at least for so many milliseconds. */
const restFactor = 30;
const leastRestMs = 500;

interface Kept<Value> {
  readonly answer: Promise<Value>;
  /** When it is too old, by the monotonic clock. */
  until: number;
}

/** @param most answers that are kept; the oldest goes */
export function keepAnswers<Value>(
  { clock }: Pick<Core['runtime'], 'clock'>,
  inSlices: InSlices,
  most: number,
): KeptAnswers<Value> {
  const kept = new Map<string, Kept<Value>>();

  return {
    of(key, steps) {
      const known = kept.get(key);
      if (known && clock.monotonic() < known.until) return known.answer;
      kept.delete(key);
      const [oldest] = kept.keys();
      if (kept.size >= most && oldest !== undefined) kept.delete(oldest);
      // Those who ask while it is worked out get the same.
      let ms = 0;
      const answer = inSlices(steps(), {
        took(own) {
          ms = own;
        },
      });
      const entry: Kept<Value> = { answer, until: Number.POSITIVE_INFINITY };
      kept.set(key, entry);
      const rest = (): void => {
        entry.until = clock.monotonic() + Math.max(leastRestMs, ms * restFactor);
      };
      answer.then(rest, () => kept.get(key) === entry && kept.delete(key));
      return answer;
    },
  };
}
