import type { FarmStatus } from '../../coordinator/application.ts';
/** The figures of a farm that are in its log, now or at another moment, as rows of details. */
export function figureRows({
  builds,
  ready,
  derivations,
  items,
  agents,
  position,
}: Omit<FarmStatus, 'pendingCommits' | 'uploads'>): (readonly [name: string, value: string | number])[] {
  const perSystem = Object.entries(ready)
    .filter(([, count]) => count > 0)
    .map(([system, count]) => `${system} ${count}`)
    .join(', ');
  return [
    ['waiting for inputs', builds.waiting],
    ['ready', perSystem === '' ? builds.ready : `${builds.ready} (${perSystem})`],
    ['waiting to retry', builds.backoff],
    ['allocated', builds.allocated],
    ['running', builds.running],
    ['succeeded', builds.succeeded],
    ['failed', builds.failed],
    ['cancelled', builds.canceled],
    ['agents', `${agents.connected} of ${agents.registered} connected, ${agents.busy} of ${agents.slots} slots busy`],
    ['derivations', derivations],
    ['store items', items],
    ['log position', position ?? 'empty'],
  ];
}
