import { intakeOf, reasonOf } from '../domain/agent/state.ts';
import type { AgentRecord } from '../projections/agents.ts';
import { buildId, type Queue } from '../projections/queue.ts';
import type { AgentStatus } from './application.ts';

/** What is shown of an agent. `known` is what its events do not say, or only a running coordinator counts. */
export function agentStatusOf(
  queue: Pick<Queue, 'live'>,
  { name, state }: AgentRecord,
  {
    until,
    heartbeat,
  }: { readonly until?: number | undefined; readonly heartbeat?: AgentStatus['heartbeat'] | undefined },
): AgentStatus {
  const reason = reasonOf(state);
  return {
    name,
    state: state.connection === 'none' ? 'new' : state.connection,
    intake: intakeOf(state),
    ...(reason !== undefined && { reason }),
    ...(until !== undefined && { until }),
    ...(state.abilities && { abilities: state.abilities }),
    ...(state.version !== undefined && { version: state.version }),
    ...(state.builder !== undefined && { builder: state.builder }),
    running: [...queue.live(name)].map((build) => ({ build: buildId(build), attempt: build.state.attempt })),
    ...(heartbeat && { heartbeat }),
  };
}
