import type { PhaseSums } from '../../coordinator/application.ts';
import { duration } from './text.ts';

export type PhaseName = keyof PhaseSums;

/** What a build is at, in words. */
export const phaseWords: Readonly<Record<PhaseName, string>> = {
  deferred: 'waiting for the time that it is deferred to',
  inputs: 'waiting for inputs',
  'text-lost': 'waiting for the text of the derivation',
  'back-off': 'waiting for a retry to be due',
  'no-agent': 'waiting for an agent',
  slot: 'waiting for a free slot',
  allocated: 'allocated',
  fetching: 'fetching',
  building: 'building',
  uploading: 'uploading',
};

/** Rows for `details`: each phase that took time, with its share. */
export function phaseRows(sums: PhaseSums): (readonly [name: string, value: string])[] {
  const all = Object.values(sums).reduce((sum, ms) => sum + ms, 0);
  return entriesOf(sums).map(([phase, ms]) => [phaseWords[phase], `${duration(ms)} (${share(ms, all)})`]);
}

/** On one line: `waiting for a free slot 2m, building 10m`. */
export function phaseLine(sums: PhaseSums): string {
  return entriesOf(sums)
    .map(([phase, ms]) => `${phaseWords[phase]} ${duration(ms)}`)
    .join(', ');
}

/** `40 %`; `under 1 %` for what is there, but less. */
export function share(ms: number, all: number): string {
  const percent = all === 0 ? 0 : (ms / all) * 100;
  return percent > 0 && percent < 1 ? 'under 1 %' : `${Math.round(percent)} %`;
}

function entriesOf(sums: PhaseSums): [PhaseName, number][] {
  return Object.entries(sums) as [PhaseName, number][];
}
