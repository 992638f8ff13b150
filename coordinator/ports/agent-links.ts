import type { CoordinatorMessage } from '../../domain/agent/messages.ts';

/** Where messages to agents go. The link numbers them, keeps them until acknowledged and resends them. */
export interface AgentLinks {
  /** Queues a message that must not be lost while the coordinator lives. No effect if the agent has no session. */
  send(agent: string, message: CoordinatorMessage): void;
  /** Closes the agent's link, if there is one, saying why. */
  close(agent: string, code: string, message: string): void;
}
