import type { CoordinatorMessage } from '../../domain/agent/messages.ts';
import { createInbox, type Inbox } from './inbox.ts';
import { createLanes, type Lanes } from './lanes.ts';
import { createOutbox, type Outbox } from './outbox.ts';

/**
 * What the coordinator remembers of one start of an agent, over all its links: which of its messages are done and which
 * messages to it may not have arrived (I11). It lives as long as both processes do.
 */
export interface AgentSession {
  /** The agent's session id, from its `hello`. */
  readonly id: string;
  readonly inbox: Inbox;
  /** What it may not have; `undefined` once the coordinator gave up sending it: what it runs is settled anew then. */
  outbox: Outbox<CoordinatorMessage> | undefined;
  /** What it sent and is being handled, per build. */
  readonly lanes: Lanes;
}

export function createAgentSession(id: string): AgentSession {
  return { id, inbox: createInbox(), outbox: undefined, lanes: createLanes() };
}

/**
 * Takes up a session where the agent says it is: it has seen messages up to `seen` of this coordinator. False if that is
 * more than were ever sent.
 */
export function resumeSession(session: AgentSession, seen: number): boolean {
  session.inbox.rewind();
  if (session.outbox !== undefined) return session.outbox.ack(seen);
  // The agent counts on, whatever was forgotten here: the next number has to be the one it waits for.
  session.outbox = createOutbox(seen);
  return true;
}
