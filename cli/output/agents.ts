import type { AgentStatus } from '../../coordinator/application.ts';
import { details, table } from './table.ts';
import { relativeTime, size } from './text.ts';
import type { View } from './view.ts';

export function formatAgents(agents: readonly AgentStatus[], view: View): string {
  const now = view.now();
  return table(
    agents,
    [
      { title: 'AGENT', value: (row) => row.name },
      { title: 'STATE', value: (row) => row.state, state: (row) => row.state },
      { title: 'INTAKE', value: (row) => row.intake, state: (row) => row.intake },
      { title: 'SLOTS', value: (row) => `${row.running.length}/${row.abilities?.slots ?? '-'}` },
      { title: 'SYSTEMS', value: (row) => row.abilities?.systems.join(',') },
      { title: 'FEATURES', value: (row) => row.abilities?.features.join(','), minor: true },
      { title: 'HEARTBEAT', value: (row) => relativeTime(row.heartbeat?.at, now) },
      { title: 'REASON', value: (row) => row.reason },
      { title: 'VERSION', value: (row) => row.version, wide: true },
      { title: 'BUILDER', value: (row) => row.builder, wide: true },
    ],
    { ...view, empty: 'No agents yet; "drover agents add NAME" adds one.' },
  );
}

export function formatAgent(agent: AgentStatus, view: View): string {
  const now = view.now();
  const { abilities, heartbeat } = agent;
  const head = details([
    ['agent', agent.name],
    ['state', agent.state],
    ['intake', agent.intake],
    ['reason', agent.reason],
    ['until', agent.until === undefined ? undefined : relativeTime(agent.until, now)],
    ['version', agent.version],
    ['builder', agent.builder],
    ['systems', abilities?.systems.join(' ')],
    ['features', abilities?.features.join(' ')],
    ['mandatory features', abilities?.mandatoryFeatures.join(' ')],
    ['slots', abilities === undefined ? undefined : `${agent.running.length} of ${abilities.slots} in use`],
    ['heartbeat', heartbeat === undefined ? undefined : relativeTime(heartbeat.at, now)],
    ['load', heartbeat?.load1],
    ['free disk', heartbeat?.freeBytes === undefined ? undefined : size(heartbeat.freeBytes)],
  ]);
  const builds = table(
    agent.running,
    [
      { title: 'BUILD', value: (row) => row.build },
      { title: 'ATTEMPT', value: (row) => row.attempt },
    ],
    { ...view, empty: 'It runs nothing.' },
  );
  return `${head}\n${builds}`;
}
