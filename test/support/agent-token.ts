import type { AgentToken } from '../../agent/ports/agent-token.ts';

/** A token that is never renewed. */
export function fixedToken(current: string): AgentToken {
  return { from: '/run/agent.token', current, refresh: async () => false };
}
