import { type AgentState, intakeOf, leftOnPurpose, reasonOf } from '../../domain/agent/state.ts';
import type { AgentRecord } from '../../projections/agents.ts';
import type { Graph } from '../../projections/graph.ts';
import { buildId, type Queue } from '../../projections/queue.ts';
import type { Tokens } from '../../projections/tokens.ts';
import type { AgentStatus } from '../application.ts';

/** What the events of an agent do not say, or only a running coordinator counts. */
export interface KnownOfAgent {
  /** End of the lease or of the quarantine. */
  readonly until?: number | undefined;
  readonly heartbeat?: AgentStatus['heartbeat'] | undefined;
  readonly refused?: AgentStatus['refused'] | undefined;
}

/** What is shown of an agent. */
export function agentStatusOf(
  {
    queue,
    graph,
    tokens,
  }: {
    readonly queue: Pick<Queue, 'live'>;
    readonly graph: Pick<Graph, 'drvPath'>;
    readonly tokens: Pick<Tokens, 'get'>;
  },
  { name, state, recent }: AgentRecord,
  { until, heartbeat, refused }: KnownOfAgent,
): AgentStatus {
  const reason = reasonOf(state);
  const running = [...queue.live(name)].map((build) => ({
    build: buildId(build),
    attempt: build.state.attempt,
    derivation: graph.drvPath(build.drv),
  }));
  const { outcomes, lastFailure } = recent;
  return {
    name,
    state: state.connection === 'none' ? 'new' : state.connection,
    intake: intakeOf(state),
    ...(reason !== undefined && { reason }),
    ...(until !== undefined && { until }),
    operator: operatorOf(state, running.length, tokens),
    link: linkOf(state),
    ...(state.quarantine && { quarantine: since(state.quarantine) }),
    ...(state.limited && {
      limited: { since: state.limited.at, by: state.limited.by, reason: state.limited.reason },
    }),
    ...(state.unfit !== undefined && { unfit: { since: state.unfitSince, reason: state.unfit } }),
    ...(refused && { refused }),
    ...(state.abilities && { abilities: state.abilities }),
    ...(state.version !== undefined && { version: state.version }),
    ...(state.builder !== undefined && { builder: state.builder }),
    running,
    recent: {
      attempts: outcomes.length,
      failed: outcomes.filter((succeeded) => !succeeded).length,
      ...(lastFailure && { lastFailure }),
    },
    ...(heartbeat && { heartbeat }),
  };
}

function operatorOf(
  { paused, draining }: AgentState,
  running: number,
  tokens: Pick<Tokens, 'get'>,
): AgentStatus['operator'] {
  const steered = draining ?? paused;
  if (steered === undefined) return { said: 'active' };
  const said = draining === undefined ? 'paused' : running === 0 ? 'drained' : 'draining';
  const { by } = steered;
  const byName = by === undefined ? undefined : tokens.get(by)?.name;
  return { said, ...since(steered), ...(by !== undefined && { by }), ...(byName !== undefined && { byName }) };
}

function linkOf(state: AgentState): AgentStatus['link'] {
  const { connection, since: at, place, gone } = state;
  const word = connection === 'none' ? 'new' : leftOnPurpose(state) ? 'left' : connection;
  return {
    state: word,
    since: at,
    ...(gone !== undefined && { reason: gone }),
    ...(state.leaving && connection === 'connected' && { leaving: true as const }),
    ...(place && { place }),
  };
}

function since({ at, reason }: { readonly at: number; readonly reason: string | undefined }): {
  since: number;
  reason?: string;
} {
  return { since: at, ...(reason !== undefined && { reason }) };
}
