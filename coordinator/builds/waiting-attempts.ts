import type { WaitingAttempt } from '../../domain/agent/messages.ts';
import { liveAgent } from '../../domain/build/state.ts';
import type { Core } from '../core.ts';

/** Live attempts that wait for this coordinator, as their agents say: it could not be reached over HTTP, or has no room. */
export interface WaitingAttempts {
  /** What the agent said last replaces what it said before. */
  heard(agent: string, waiting: readonly WaitingAttempt[]): void;
  forget(agent: string): void;
  find(agent: string, build: string): WaitingAttempt | undefined;
  /** How many live attempts of the agent are built, with only their upload left, which waits. */
  uploads(agent: string): number;
}

export function createWaitingAttempts({ farm }: Pick<Core, 'farm'>): WaitingAttempts {
  const byAgent = new Map<string, readonly WaitingAttempt[]>();

  function isLive(agent: string, { build, attempt }: WaitingAttempt): boolean {
    const state = farm.queue.build(build)?.state;
    return state?.attempt === attempt && liveAgent(state) === agent;
  }

  return {
    heard(agent, waiting) {
      if (waiting.length > 0) byAgent.set(agent, waiting);
      else byAgent.delete(agent);
    },
    forget: (agent) => void byAgent.delete(agent),
    find: (agent, build) => byAgent.get(agent)?.find((one) => one.build === build && isLive(agent, one)),
    uploads(agent) {
      let count = 0;
      for (const one of byAgent.get(agent) ?? []) if (one.for === 'upload' && isLive(agent, one)) count++;
      return count;
    },
  };
}
