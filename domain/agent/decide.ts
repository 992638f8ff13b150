import type { Decision } from '../event.ts';
import type { AgentAbilities, AgentEvent, AgentLimit, AgentPlace } from './events.ts';
import type { AgentState, Steered } from './state.ts';

export type AgentCommand =
  | { readonly type: 'register'; readonly name: string }
  | {
      readonly type: 'connect';
      readonly abilities: AgentAbilities;
      readonly version: string;
      readonly builder: string;
      readonly place?: AgentPlace | undefined;
    }
  | { readonly type: 'disconnect'; readonly reason: string; readonly leaseUntil: number }
  /** The lease has ended. */
  | { readonly type: 'lose' }
  | { readonly type: 'pause'; readonly reason: string | undefined }
  | { readonly type: 'resume'; readonly reason: string | undefined }
  | { readonly type: 'drain'; readonly reason: string | undefined }
  /** The agent says that it is being stopped. */
  | { readonly type: 'leave' }
  | { readonly type: 'quarantine'; readonly until: number; readonly reason: string }
  /** The agent says what came of trying itself: why it cannot build, `undefined` if it can. */
  | { readonly type: 'report-fitness'; readonly unfit: string | undefined }
  /** The agent says why it takes nothing new for now, `undefined` if it does. */
  | { readonly type: 'report-limit'; readonly limit: AgentLimit | undefined }
  | { readonly type: 'retire' };

export type AgentRefusal = 'unknown-agent' | 'agent-exists' | 'agent-retired';

/** Decides a wish about one agent. Repeats of what has happened already are granted with no events. */
export function decideAgent(state: AgentState, command: AgentCommand): Decision<AgentEvent, AgentRefusal> {
  if (command.type === 'register') {
    // The name of an agent that was removed is free again.
    if (state.connection !== 'none' && state.connection !== 'retired') return { refused: 'agent-exists' };
    return { events: [{ type: 'AgentRegistered', data: { name: command.name } }] };
  }
  if (state.connection === 'none') return { refused: 'unknown-agent' };
  if (state.connection === 'retired') return command.type === 'retire' ? { events: [] } : { refused: 'agent-retired' };
  switch (command.type) {
    case 'connect': {
      const { abilities, version, builder, place } = command;
      return { events: [{ type: 'AgentConnected', data: { abilities, version, builder, ...(place && { place }) } }] };
    }
    case 'disconnect':
      if (state.connection !== 'connected') return { events: [] };
      return {
        events: [{ type: 'AgentDisconnected', data: { leaseUntil: command.leaseUntil, reason: command.reason } }],
      };
    case 'lose':
      return { events: state.connection === 'disconnected' ? [{ type: 'AgentLost', data: {} }] : [] };
    case 'pause':
      if (isSaid(state.paused, command.reason)) return { events: [] };
      return { events: [{ type: 'AgentPaused', data: withReason(command.reason) }] };
    case 'resume':
      if (!state.paused && !state.draining && state.quarantinedUntil === 0) return { events: [] };
      return { events: [{ type: 'AgentResumed', data: withReason(command.reason) }] };
    case 'drain':
      if (isSaid(state.draining, command.reason)) return { events: [] };
      return { events: [{ type: 'AgentDraining', data: withReason(command.reason) }] };
    case 'leave':
      if (state.leaving || state.connection !== 'connected') return { events: [] };
      return { events: [{ type: 'AgentDraining', data: { reason: 'it is being stopped', byAgent: true } }] };
    case 'quarantine':
      if (state.quarantinedUntil > 0) return { events: [] };
      return { events: [{ type: 'AgentQuarantined', data: { until: command.until, reason: command.reason } }] };
    case 'report-fitness':
      if (command.unfit === state.unfit) return { events: [] };
      if (command.unfit === undefined) return { events: [{ type: 'AgentFit', data: {} }] };
      return { events: [{ type: 'AgentUnfit', data: { reason: command.unfit } }] };
    case 'report-limit': {
      const { limit } = command;
      if (limit?.by === state.limited?.by && limit?.reason === state.limited?.reason) return { events: [] };
      if (limit === undefined) return { events: [{ type: 'AgentUnlimited', data: {} }] };
      return { events: [{ type: 'AgentLimited', data: { by: limit.by, reason: limit.reason } }] };
    }
    case 'retire':
      return { events: [{ type: 'AgentRetired', data: {} }] };
  }
}

/** Whether an operator has said so already; another reason takes the place of the one before. */
function isSaid(said: Steered | undefined, reason: string | undefined): boolean {
  return said !== undefined && (reason === undefined || reason === said.reason);
}

function withReason(reason: string | undefined): { reason?: string } {
  return reason === undefined ? {} : { reason };
}
