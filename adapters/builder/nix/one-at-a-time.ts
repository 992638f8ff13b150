import { createLimiter, type Limiter } from '../../../agent/limiter.ts';

/** Runs work that is about the same thing one after the other, in order; work about different things at once. */
export type OneAtATime = <Value>(about: string, signal: AbortSignal, work: () => Promise<Value>) => Promise<Value>;

export function createOneAtATime(): OneAtATime {
  const known = new Map<string, { readonly limiter: Limiter; users: number }>();
  return async (about, signal, work) => {
    const entry = known.get(about) ?? { limiter: createLimiter(1), users: 0 };
    known.set(about, entry);
    entry.users++;
    try {
      return await entry.limiter.run(signal, work);
    } finally {
      entry.users--;
      if (entry.users === 0) known.delete(about);
    }
  };
}
