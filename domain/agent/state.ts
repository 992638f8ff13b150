import type { AgentAbilities, AgentEvent, AgentLimit, AgentPlace } from './events.ts';

/** Something that holds since an instant (milliseconds since the Unix epoch), and why. */
export interface Since {
  readonly at: number;
  readonly reason: string | undefined;
}

/** What an operator said last, and who that was (the token's id). */
export interface Steered extends Since {
  readonly by: string | undefined;
}

/** What an agent's events add up to. Each field has one meaning, and what ends one leaves the others alone. */
export interface AgentState {
  readonly connection: 'none' | 'new' | 'connected' | 'disconnected' | 'lost' | 'retired';
  /** Since when the connection is so. */
  readonly since: number;
  /** Where the process runs, or ran, that connected last. */
  readonly place: AgentPlace | undefined;
  readonly paused: Steered | undefined;
  /** An operator drains it. */
  readonly draining: Steered | undefined;
  /** It is being stopped where it runs, or was: its next connection is another life. */
  readonly leaving: boolean;
  /** End of the quarantine (milliseconds since the Unix epoch); 0: none. */
  readonly quarantinedUntil: number;
  readonly quarantine: Since | undefined;
  /** Why it cannot build, by what it found when it tried itself. */
  readonly unfit: string | undefined;
  readonly unfitSince: number;
  /** Why it takes nothing new for now, as it says. */
  readonly limited: (AgentLimit & { readonly at: number }) | undefined;
  /** End of the lease while disconnected; 0 otherwise. */
  readonly leaseUntil: number;
  /** Why it is not connected, or is about to leave. */
  readonly gone: string | undefined;
  readonly abilities: AgentAbilities | undefined;
  readonly version: string | undefined;
  readonly builder: string | undefined;
}

export const initialAgent: AgentState = {
  connection: 'none',
  since: 0,
  place: undefined,
  paused: undefined,
  draining: undefined,
  leaving: false,
  quarantinedUntil: 0,
  quarantine: undefined,
  unfit: undefined,
  unfitSince: 0,
  limited: undefined,
  leaseUntil: 0,
  gone: undefined,
  abilities: undefined,
  version: undefined,
  builder: undefined,
};

/** When an event happened, and whose doing it was. */
export interface Happened {
  readonly at: number;
  readonly by?: string | undefined;
}

export function evolveAgent(state: AgentState, event: AgentEvent, { at, by }: Happened = { at: 0 }): AgentState {
  switch (event.type) {
    case 'AgentRegistered':
      return { ...initialAgent, connection: 'new', since: at };
    case 'AgentConnected': {
      const { abilities, version, builder, place } = event.data;
      const now = {
        connection: 'connected',
        since: at,
        leaseUntil: 0,
        leaving: false,
        gone: undefined,
        limited: undefined,
      } as const;
      return { ...state, ...now, abilities, version, builder, place };
    }
    case 'AgentDisconnected': {
      const { leaseUntil, reason: gone } = event.data;
      return { ...state, connection: 'disconnected', since: at, leaseUntil, gone };
    }
    // Away since its link was lost: that the lease has ended since is no other absence.
    case 'AgentLost':
      return { ...state, connection: 'lost', leaseUntil: 0 };
    case 'AgentPaused':
      return { ...state, paused: { at, by, reason: event.data.reason }, draining: undefined };
    case 'AgentResumed':
      return { ...state, paused: undefined, draining: undefined, quarantinedUntil: 0, quarantine: undefined };
    case 'AgentDraining':
      return event.data.byAgent
        ? { ...state, leaving: true, gone: event.data.reason }
        : { ...state, draining: { at, by, reason: event.data.reason }, paused: undefined };
    case 'AgentQuarantined': {
      const { until, reason } = event.data;
      return { ...state, quarantinedUntil: until, quarantine: { at, reason } };
    }
    case 'AgentUnfit':
      return { ...state, unfit: event.data.reason, unfitSince: at };
    case 'AgentFit':
      return { ...state, unfit: undefined, unfitSince: 0 };
    case 'AgentLimited':
      return { ...state, limited: { ...event.data, at } };
    case 'AgentUnlimited':
      return { ...state, limited: undefined };
    case 'AgentRetired':
      return { ...state, connection: 'retired', since: at, leaseUntil: 0, gone: undefined };
    default:
      return state;
  }
}

export const intakes = ['accepting', 'paused', 'draining', 'quarantined', 'unfit', 'limited', 'offline'] as const;
export type Intake = (typeof intakes)[number];

/** `accepting`, or why the agent gets nothing new. */
export function intakeOf(state: AgentState): Intake {
  if (state.connection !== 'connected') return 'offline';
  if (state.paused) return 'paused';
  if (state.draining || state.leaving) return 'draining';
  if (state.quarantinedUntil > 0) return 'quarantined';
  if (state.unfit !== undefined) return 'unfit';
  return state.limited === undefined ? 'accepting' : 'limited';
}

/** Why the agent gets nothing new, in words; `undefined` where it does, or nobody said. */
export function reasonOf(state: AgentState): string | undefined {
  switch (intakeOf(state)) {
    case 'accepting':
      return undefined;
    case 'offline':
      return state.gone;
    case 'unfit':
      return state.unfit;
    case 'limited':
      return state.limited?.reason;
    case 'draining':
      return state.draining ? state.draining.reason : state.gone;
    case 'paused':
      return state.paused?.reason;
    case 'quarantined':
      return state.quarantine?.reason;
  }
}

/** Whether it left because it was stopped, and not because its link was lost. */
export function leftOnPurpose(state: AgentState): boolean {
  return state.leaving && (state.connection === 'disconnected' || state.connection === 'lost');
}
