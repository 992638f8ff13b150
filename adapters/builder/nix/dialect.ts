import type { Connection, Dialect } from '../daemon/connection.ts';
import { drainMessages, type MessageHandlers } from './daemon-messages.ts';
import { type Greeting, greet } from './handshake.ts';

/** The worker protocol as the daemons of Nix speak it. */
export const nixDialect: Dialect<Greeting, MessageHandlers> = { greet, drain: drainMessages };
export type NixConnection = Connection<Greeting, MessageHandlers>;
