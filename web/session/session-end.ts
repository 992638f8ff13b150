import { DroverProblem } from 'drover/client';

const ends = new EventTarget();
/** What has become of the last session here; of one that somebody logs out of, what is still asked for is refused as well, and so it is before there is one. */
let last: 'none' | 'good' | 'left' | 'ran-out' = 'none';

export const sessionRanOut = (): boolean => last === 'ran-out';

export function sessionIs(now: 'good' | 'left'): void {
  last = now;
}

/** @returns whether the error says that nobody is logged in any more; then the page to log in comes */
export function sessionEnded(error: unknown): boolean {
  if (!(error instanceof DroverProblem) || error.status !== 401) return false;
  if (last === 'good') last = 'ran-out';
  endSession();
  return true;
}

export function endSession(): void {
  ends.dispatchEvent(new Event('end'));
}

export function onSessionEnd(listener: () => void): () => void {
  ends.addEventListener('end', listener);
  return () => ends.removeEventListener('end', listener);
}
