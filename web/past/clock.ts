import { moment } from '../router.ts';

/** When the moments were that have been shown, by what their addresses have for them: milliseconds since the Unix epoch. */
const times = new Map<string, number>();

export function momentWas(position: string, at: number): void {
  times.set(position, at);
}

/** The time of what is shown: that of its moment, where time stands still, or now. */
export function clock(): number {
  const shown = moment();
  return (shown === undefined ? undefined : times.get(shown)) ?? Date.now();
}
