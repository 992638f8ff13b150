import type { AgentLimit } from '../../domain/agent/events.ts';
import type { AgentMessage, AgentOob, CoordinatorMessage, Hello, Welcome } from '../../domain/agent/messages.ts';

/** The link to the coordinator, kept up: lost connections are made anew, and what was not acknowledged is sent again. */
export interface CoordinatorLink extends AsyncDisposable {
  /**
   * Sends a message that must not be lost; resolves once the coordinator has acknowledged it, rejects when the link is
   * closed for good before that. Messages go in the order in which they were handed over. `before` is awaited right
   * before each time it is sent, for what has to be on the same connection first.
   */
  send(message: AgentMessage, before?: () => Promise<void>): Promise<void>;
  /** How it ended: closed by us, or refused by the coordinator for good. */
  readonly ended: Promise<LinkEnd>;
}

export type LinkEnd =
  | { readonly reason: 'closed' }
  | { readonly reason: 'refused'; readonly code: string; readonly message: string };

export interface LinkHandlers {
  /** What the agent runs, asked for each `hello`. */
  readonly running: () => Hello['running'];
  /** Whether the agent is being stopped, asked for each `hello`. */
  readonly leaving?: () => boolean;
  /** Why the agent cannot build, asked for each `hello`; `undefined` if it can. */
  readonly unfit?: () => string | undefined;
  /** Why the agent takes nothing new for now, asked for each `hello`; `undefined` if it does. */
  readonly limited?: () => AgentLimit | undefined;
  /** A connection is there. Called before anything is sent on it. */
  readonly welcome: (welcome: Welcome, connection: LinkConnection) => void;
  /** A message of the coordinator, each once and in order. It is acknowledged when the promise resolves: by then it is on disk. */
  readonly message: (message: CoordinatorMessage) => Promise<void>;
  readonly heartbeat: () => Promise<Extract<AgentOob, { type: 'heartbeat' }>>;
}

/** One connection, for what may be lost with it. */
export interface LinkConnection {
  /** False from when it is lost. */
  readonly open: boolean;
  /** Resolves once there is room for more; nothing happens if the connection is lost. */
  sendOob(body: AgentOob): Promise<void>;
}

export type OpenLink = (handlers: LinkHandlers) => CoordinatorLink;
