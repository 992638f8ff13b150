import type { Report } from '../row.ts';

/** Matching events a second. */
export const rates = [1, 100, 1000] as const;

/** How long to measure at a rate: at least 20 events. */
export function secondsAt(rate: number, seconds: number): number {
  return Math.max(seconds, 20 / rate);
}

/** p50 and p99 of how long events waited for what is measured, in milliseconds. */
export function reportWaits(
  report: Report,
  { key, name }: { readonly key: string; readonly name: string },
  waits: readonly number[],
  about: string,
): void {
  const sorted = [...waits].sort((a, b) => a - b);
  const note = `${waits.length} events, ${about}`;
  for (const [what, share] of [
    ['p50', 0.5],
    ['p99', 0.99],
  ] as const) {
    const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
    report({ key: `${key}-${what}`, name: `${name}, ${what}`, value, unit: 'ms', note });
  }
}
