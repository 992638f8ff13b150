import { DroverProblem } from 'drover/client';

const ends = new EventTarget();

/** @returns whether the error says that nobody is logged in any more; then the page to log in comes */
export function sessionEnded(error: unknown): boolean {
  if (!(error instanceof DroverProblem) || error.status !== 401) return false;
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
