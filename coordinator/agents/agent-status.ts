import type { AgentAbilities, AgentPlace } from '../../domain/agent/events.ts';
import type { Intake } from '../../domain/agent/state.ts';
import { type AgentState, intakeOf, leftOnPurpose, reasonOf } from '../../domain/agent/state.ts';
import type { AgentRecord, RecentFailure } from '../../projections/agents.ts';
import { buildId } from '../../projections/builds.ts';
import type { Graph } from '../../projections/graph.ts';
import type { Queue } from '../../projections/queue.ts';
import type { Tokens } from '../../projections/tokens.ts';

/** Why a process that has an agent's token is turned away. */
export interface AgentRefusal {
  /** One of `coordinator/errors.ts`. */
  readonly code: string;
  readonly message: string;
  readonly place?: AgentPlace;
}

export interface AgentStatus {
  readonly name: string;
  readonly state: 'new' | 'connected' | 'disconnected' | 'lost' | 'retired';
  /** `accepting`, or why it gets nothing new. */
  readonly intake: Intake;
  readonly reason?: string;
  /** End of the lease or of the quarantine, milliseconds since the Unix epoch. */
  readonly until?: number;
  /** What an operator said last; `drained` once nothing runs any more. */
  readonly operator: {
    readonly said: 'active' | 'paused' | 'draining' | 'drained';
    readonly reason?: string;
    readonly since?: number;
    /** The operator's token, its id and what it is called. */
    readonly by?: string;
    readonly byName?: string;
  };
  /** How its link is, and since when; `left`: it was stopped, and no link was lost. */
  readonly link: {
    readonly state: 'new' | 'connected' | 'disconnected' | 'left' | 'lost' | 'retired';
    readonly since: number;
    readonly reason?: string;
    /** It is being stopped: it leaves once nothing runs. */
    readonly leaving?: true;
    /** Where the process is that has, or had, the link. */
    readonly place?: AgentPlace;
  };
  readonly quarantine?: { readonly since: number; readonly reason?: string };
  /** It tried itself, and cannot build. */
  readonly unfit?: { readonly since: number; readonly reason: string };
  /** It takes nothing for now: its machine is busy (`load`), or its store over its bounds (`collecting`, and `disk` where that was not enough). */
  readonly limited?: { readonly since: number; readonly by: 'load' | 'collecting' | 'disk'; readonly reason: string };
  /** What a process with its token, or the agent as a whole, is refused for at the moment. */
  readonly refused?: AgentRefusal & { readonly at?: number };
  readonly abilities?: AgentAbilities;
  readonly version?: string;
  readonly builder?: string;
  /** `derivation` by its base name. */
  readonly running: readonly { readonly build: string; readonly attempt: number; readonly derivation: string }[];
  /** How its last attempts ended, twenty at most, whoever's fault that was; `lastFailure` may be older. */
  readonly recent: { readonly attempts: number; readonly failed: number; readonly lastFailure?: RecentFailure };
  readonly heartbeat?: { readonly at: number; readonly load1?: number; readonly freeBytes?: number };
}

/** What the events of an agent do not say, or only a running coordinator counts. */
export interface KnownOfAgent {
  /** End of the lease or of the quarantine. */
  readonly until?: number | undefined;
  readonly heartbeat?: AgentStatus['heartbeat'] | undefined;
  readonly refused?: AgentStatus['refused'] | undefined;
}

/** End of the lease or of the quarantine, as the log has it: for where nobody counts them. */
export function loggedUntil({ state }: Pick<AgentRecord, 'state'>): number | undefined {
  return state.leaseUntil || state.quarantinedUntil || undefined;
}

/** An agent whose tokens were all revoked, and which was not removed. */
export function lockedOut(tokens: Pick<Tokens, 'validOf'>, { name, state }: AgentRecord): AgentStatus['refused'] {
  if (state.connection === 'retired' || tokens.validOf(name).size > 0) return undefined;
  return {
    code: 'token-unknown',
    message: `it has no valid token; 'drover agents rotate-token ${name}' makes one`,
  };
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
