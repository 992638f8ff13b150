import type { AgentAbilities, AgentEvent } from './events.ts';

/** What an agent's events add up to. */
export interface AgentState {
  readonly connection: 'none' | 'new' | 'connected' | 'disconnected' | 'lost' | 'retired';
  readonly paused: boolean;
  /** An operator drains it. */
  readonly draining: boolean;
  /** It is being stopped where it runs; its next connection is another life. */
  readonly leaving: boolean;
  /** End of the quarantine (milliseconds since the Unix epoch); 0: none. */
  readonly quarantinedUntil: number;
  /** Why it cannot build, by what it found when it tried itself. */
  readonly unfit: string | undefined;
  /** End of the lease while disconnected; 0 otherwise. */
  readonly leaseUntil: number;
  /** Why it is paused, draining or quarantined. */
  readonly reason: string | undefined;
  /** Why it is not connected, or is about to leave. */
  readonly gone: string | undefined;
  readonly abilities: AgentAbilities | undefined;
  readonly version: string | undefined;
  readonly builder: string | undefined;
}

export const initialAgent: AgentState = {
  connection: 'none',
  paused: false,
  draining: false,
  leaving: false,
  quarantinedUntil: 0,
  unfit: undefined,
  leaseUntil: 0,
  reason: undefined,
  gone: undefined,
  abilities: undefined,
  version: undefined,
  builder: undefined,
};

export function evolveAgent(state: AgentState, event: AgentEvent): AgentState {
  switch (event.type) {
    case 'AgentRegistered':
      return { ...initialAgent, connection: 'new' };
    case 'AgentConnected':
      return { ...state, connection: 'connected', leaseUntil: 0, leaving: false, gone: undefined, ...event.data };
    case 'AgentDisconnected':
      return { ...state, connection: 'disconnected', leaseUntil: event.data.leaseUntil, gone: event.data.reason };
    case 'AgentLost':
      return { ...state, connection: 'lost', leaseUntil: 0 };
    case 'AgentPaused':
      return { ...state, paused: true, reason: event.data.reason };
    case 'AgentResumed':
      return { ...state, paused: false, draining: false, quarantinedUntil: 0, reason: undefined };
    case 'AgentDraining':
      return event.data.byAgent
        ? { ...state, leaving: true, gone: event.data.reason }
        : { ...state, draining: true, reason: event.data.reason };
    case 'AgentQuarantined':
      return { ...state, quarantinedUntil: event.data.until, reason: event.data.reason };
    case 'AgentUnfit':
      return { ...state, unfit: event.data.reason };
    case 'AgentFit':
      return { ...state, unfit: undefined };
    case 'AgentRetired':
      return { ...state, connection: 'retired', leaseUntil: 0, gone: undefined };
    default:
      return state;
  }
}

export const intakes = ['accepting', 'paused', 'draining', 'quarantined', 'unfit', 'offline'] as const;
export type Intake = (typeof intakes)[number];

/** `accepting`, or why the agent gets nothing new. */
export function intakeOf(state: AgentState): Intake {
  if (state.connection !== 'connected') return 'offline';
  if (state.paused) return 'paused';
  if (state.draining || state.leaving) return 'draining';
  if (state.quarantinedUntil > 0) return 'quarantined';
  return state.unfit === undefined ? 'accepting' : 'unfit';
}

/** Why the agent gets nothing new, in words; `undefined` where it does, or nobody said. */
export function reasonOf(state: AgentState): string | undefined {
  switch (intakeOf(state)) {
    case 'accepting':
      return undefined;
    case 'offline':
      if (!state.draining) return state.gone;
      return `it was drained${state.reason === undefined ? '' : ` (${state.reason})`}, and leaves whenever it starts until 'drover agents resume'`;
    case 'unfit':
      return state.unfit;
    case 'draining':
      return state.draining ? state.reason : state.gone;
    default:
      return state.reason;
  }
}
