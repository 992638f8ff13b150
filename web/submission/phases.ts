import type { Operations } from 'drover/client';
import { counted, duration } from '../words/format.ts';

export type Times = NonNullable<Operations['getSubmissionTimes']['answer']['times']>;
export type PhaseSums = Times['phases'];
export type Phase = keyof PhaseSums;
export type Advice = Times['advice'][number];

/** What a build's time goes into, as the command line says it, in the order in which it comes. */
export const phaseWords: Readonly<Record<Phase, string>> = {
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

const moving: readonly Phase[] = ['allocated', 'fetching', 'uploading'];

/** Whether it waits, is on its way to or from an agent, or is built. */
export type PhaseKind = 'waiting' | 'moving' | 'building';
export const phaseKind = (phase: Phase): PhaseKind =>
  phase === 'building' ? 'building' : moving.includes(phase) ? 'moving' : 'waiting';

export interface PhaseShare {
  readonly phase: Phase;
  readonly ms: number;
}

export function phasesOf(sums: PhaseSums): readonly PhaseShare[] {
  return (Object.keys(phaseWords) as Phase[]).flatMap((phase) => {
    const ms = sums[phase] ?? 0;
    return ms > 0 ? [{ phase, ms }] : [];
  });
}

/** Milliseconds of waiting, of transfers and of building. */
export function kindsOf(sums: PhaseSums): Readonly<Record<PhaseKind, number>> {
  const kinds = { waiting: 0, moving: 0, building: 0 };
  for (const { phase, ms } of phasesOf(sums)) kinds[phaseKind(phase)] += ms;
  return kinds;
}

/** `40 %`; `under 1 %` of what is there, but less. */
export function share(part: number, all: number): string {
  const percent = all === 0 ? 0 : (part / all) * 100;
  return percent > 0 && percent < 1 ? 'under 1 %' : `${Math.round(percent)} %`;
}

const builds = (count: number): string => counted(count, 'build');

/** What would have made it faster, as a sentence. @param all milliseconds of the critical path */
export function adviceText(
  { kind, ms, system = '', features = [], cause, builds: count }: Advice,
  all: number,
): string {
  const time = `${duration(ms)} (${share(ms, all)})`;
  const wanted = [system, ...features].join(' with ');
  switch (kind) {
    case 'slot':
      return `${time} waiting for a free slot for ${wanted}, ${builds(count)}: one more slot would have saved up to that.`;
    case 'no-agent':
      return `${time} waiting while no agent took builds for ${wanted}${cause === undefined ? '' : `: ${cause}`}. One more agent would have saved up to that.`;
    case 'retries':
      return `${time} in attempts that failed or were given back and were made again, ${builds(count)}.`;
    case 'lost':
      return `${time} in attempts whose agents were lost, ${builds(count)}: agents that stay would have saved up to that.`;
    case 'back-off':
      return `${time} waiting before retries.`;
    case 'deferred':
      return `${time} deferred by somebody.`;
    case 'inputs':
      return `${time} waiting for inputs that no build of it made: sources, or what was deleted, failed or was retried later.`;
    case 'text-lost':
      return `${time} waiting for the lost text of a derivation to be sent again.`;
    case 'allocated':
      return `${time} between an allocation and the start of its work on the agent.`;
    case 'fetching':
      return `${time} fetching inputs, ${builds(count)}: a faster way to the coordinator would help, or agents that keep their stores.`;
    case 'uploading':
      return `${time} uploading outputs, ${builds(count)}: a faster way to the coordinator would help.`;
    case 'building':
      return `${time} building, ${count === 1 ? 'one build' : `${builds(count)} one after the other`}: more agents change nothing here, faster ones would.`;
  }
}
