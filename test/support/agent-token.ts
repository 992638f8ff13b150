import type { AgentToken } from '../../agent/ports/agent-token.ts';

/** A token that is never renewed. */
export function fixedToken(current: string): AgentToken {
  return { current, refresh: async () => false };
}
