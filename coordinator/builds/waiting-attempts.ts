import type { WaitingAttempt } from '../../domain/agent/messages.ts';
import { liveAgent } from '../../domain/build/state.ts';
import type { Core } from '../core.ts';

/** Live attempts that wait for this coordinator, as their agents say: it could not be reached over HTTP, or has no room; and those that are built. */
export interface WaitingAttempts {
  /** What the agent said last replaces what it said before. */
  heard(agent: string, waiting: readonly WaitingAttempt[], delivering: readonly AttemptKey[]): void;
  forget(agent: string): void;
  find(agent: string, build: string): WaitingAttempt | undefined;
  /** How many live attempts of the agent are built, with only their upload left, whether that waits or not. */
  built(agent: string): number;
}

type AttemptKey = Pick<WaitingAttempt, 'build' | 'attempt'>;

export function createWaitingAttempts({ farm }: Pick<Core, 'farm'>): WaitingAttempts {
  const byAgent = new Map<string, readonly WaitingAttempt[]>();
  const builtBy = new Map<string, readonly AttemptKey[]>();

  function isLive(agent: string, { build, attempt }: AttemptKey): boolean {
    const state = farm.queue.build(build)?.state;
    return state?.attempt === attempt && liveAgent(state) === agent;
  }

  return {
    heard(agent, waiting, delivering) {
      if (waiting.length > 0) byAgent.set(agent, waiting);
      else byAgent.delete(agent);
      const built = [...delivering, ...waiting.filter((one) => one.for === 'upload')];
      if (built.length > 0) builtBy.set(agent, built);
      else builtBy.delete(agent);
    },
    forget(agent) {
      byAgent.delete(agent);
      builtBy.delete(agent);
    },
    find: (agent, build) => byAgent.get(agent)?.find((one) => one.build === build && isLive(agent, one)),
    built(agent) {
      const builds = new Set<string>();
      for (const one of builtBy.get(agent) ?? []) if (isLive(agent, one)) builds.add(one.build);
      return builds.size;
    },
  };
}
