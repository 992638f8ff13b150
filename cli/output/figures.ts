import type { FarmStatus } from '../../coordinator/application.ts';
import { wholeFigures } from './older.ts';

/** The figures of a farm that are in its log, now or at another moment, as rows of details. */
export function figureRows(
  said: Omit<FarmStatus, 'pendingCommits' | 'uploads'>,
): (readonly [name: string, value: string | number])[] {
  const { builds, blocked, ready, derivations, items, upstreamItems, agents, position } = wholeFigures(said);
  const perSystem = Object.entries(ready)
    .filter(([, count]) => count > 0)
    .map(([system, count]) => `${system} ${count}`)
    .join(', ');
  const causes = Object.entries(blocked)
    .filter(([, count]) => count > 0)
    .map(([cause, count]) => `${cause} ${count}`)
    .join(', ');
  const allCauses = Object.values(blocked).reduce((sum, count) => sum + count, 0);
  const several = allCauses > builds.blocked ? '; some have several causes' : '';
  return [
    [
      'blocked',
      causes === '' ? builds.blocked : `${builds.blocked} (${causes}${several}); drover builds list --state blocked`,
    ],
    ['waiting for inputs', builds.waiting],
    ['ready', perSystem === '' ? builds.ready : `${builds.ready} (${perSystem})`],
    ['waiting to retry', builds.backoff],
    ['deferred', builds.deferred],
    ['allocated', builds.allocated],
    ['running', builds.running],
    ['succeeded', builds.succeeded],
    ['failed', builds.failed],
    ['cancelled', builds.canceled],
    ['agents', describeAgents(agents)],
    ['derivations', derivations],
    ['store items', !upstreamItems ? items : `${items}, and ${upstreamItems} upstream`],
    ['log position', position ?? 'empty'],
  ];
}

function describeAgents({ connected, registered, busy, slots, excess, away }: FarmStatus['agents']): string {
  const more = [
    `${connected} of ${registered} connected`,
    `${busy} of ${slots} slots busy`,
    ...(excess > 0 ? [`${excess} more wait there for a slot`] : []),
    ...(away > 0 ? [`${away} at agents that are not connected`] : []),
  ];
  return more.join(', ');
}
