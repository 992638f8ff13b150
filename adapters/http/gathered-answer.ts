import { setTimeout as delay } from 'node:timers/promises';

/**
 * One answer for all who ask at about the same time, made after the last of them has asked: who knows of something finds it. The first is made at once;
 * who asks less than `gap` milliseconds after one was begun waits until they are over.
 */
export function gatherAnswers<Answer>(make: () => Promise<Answer>, gap: number): () => Promise<Answer> {
  let next: Promise<Answer> | undefined;
  let restUntil = Number.NEGATIVE_INFINITY;
  return () => {
    next ??= begin();
    return next;
  };

  async function begin(): Promise<Answer> {
    // Even where there is nothing to wait for, those who ask in this turn of the loop share it.
    await delay(Math.max(0, restUntil - performance.now()));
    next = undefined;
    restUntil = performance.now() + gap;
    return make();
  }
}
