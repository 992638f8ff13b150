import type { InSlices } from '../slices.ts';

/** Answers that take long, each worked out once for all who ask while one is on its way, and after the last of them has asked. */
export interface SharedAnswers<Value> {
  /** @param steps what works it out; only begun where nobody else's will do */
  of(key: string, steps: () => Generator<undefined, Value>): Promise<Value>;
}

export function shareAnswers<Value>(inSlices: InSlices): SharedAnswers<Value> {
  const underWay = new Map<string, Promise<unknown>>();
  /** Those that begin once the one under way is there. */
  const next = new Map<string, Promise<Value>>();

  function begin(key: string, steps: () => Generator<undefined, Value>): Promise<Value> {
    const answer = inSlices(steps());
    const over = answer.then(
      () => undefined,
      () => undefined,
    );
    underWay.set(key, over);
    void over.then(() => underWay.get(key) === over && underWay.delete(key));
    return answer;
  }

  return {
    of(key, steps) {
      const before = underWay.get(key);
      if (before === undefined) return begin(key, steps);
      let answer = next.get(key);
      if (answer === undefined) {
        answer = before.then(() => {
          next.delete(key);
          return begin(key, steps);
        });
        next.set(key, answer);
      }
      return answer;
    },
  };
}
