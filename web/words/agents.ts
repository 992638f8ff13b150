import type { Operations } from 'drover/client';
import { ago, time } from './format.ts';

type Agent = Operations['listAgents']['answer']['rows'][number];

/** Whether it takes builds; of one that was drained and has nothing left, that. */
export const intakeOf = ({ intake, operator }: Pick<Agent, 'intake' | 'operator'>): string =>
  intake === 'draining' && operator.said === 'drained' ? 'drained' : intake;

/** Why it takes none, or not all that it could, each thing by itself. */
export function remarksOf(agent: Agent, now: number): readonly string[] {
  const { operator, link, quarantine, unfit, limited, refused, until } = agent;
  const because = (reason: string | undefined): string => (reason === undefined ? '' : `: ${reason}`);
  return [
    ...(refused === undefined ? [] : [`refused: ${refused.message}`]),
    ...(operator.said === 'active'
      ? []
      : [
          `${operator.said}${operator.since === undefined ? '' : ` ${ago(operator.since, now)}`}${operator.by === undefined ? '' : ` by ${operator.byName ?? operator.by}`}${because(operator.reason)}`,
        ]),
    ...(link.state === 'new' ? ['has never connected'] : []),
    ...(link.leaving === true ? [`is leaving${because(link.reason)}`] : []),
    ...(['disconnected', 'left', 'lost'].includes(link.state)
      ? [`${link.state} ${ago(link.since, now)}${because(link.reason)}`]
      : []),
    ...(quarantine === undefined
      ? []
      : [
          `quarantined ${ago(quarantine.since, now)}${agent.intake === 'quarantined' && until !== undefined ? `, until ${time(until, now)}` : ''}${because(quarantine.reason)}`,
        ]),
    ...(unfit === undefined ? [] : [`cannot build: ${unfit.reason}`]),
    ...(limited === undefined ? [] : [`takes nothing for now: ${limited.reason}`]),
  ];
}
