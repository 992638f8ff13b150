import * as z from 'zod';
import { defineEvent, type EventOf, identifier, instant } from '../event.ts';

export const scopes = ['read', 'submit', 'push', 'agent', 'admin'] as const;
/**
 * `admin` may do everything; `submit` may also read; `push` may read the cache and put items into it that nobody here has built; `agent` may
 * open a link, fetch and upload; `read` may read.
 */
export type Scope = (typeof scopes)[number];

export const TokenIssued = defineEvent(
  'TokenIssued',
  'A token was made. The log has its SHA-256, never the token.',
  z.object({
    name: z.string().max(128),
    scope: z.enum(scopes),
    /** SHA-256 of the token, base 16. For tokens of scope `admin` only. */
    hash: z.string().regex(/^[0-9a-f]{64}$/),
    /** The agent it belongs to, for scope `agent`. */
    agent: identifier.optional(),
  }),
  [],
  { adminOnly: ['hash'] },
);
export const TokenRevocationScheduled = defineEvent(
  'TokenRevocationScheduled',
  'Another token takes its place; it is accepted until `at`, when it is revoked.',
  z.object({ at: instant }),
);
export const TokenRevoked = defineEvent('TokenRevoked', 'The token is refused from here on.', z.object({}));

export const tokenEvents = [TokenIssued, TokenRevocationScheduled, TokenRevoked] as const;
export type TokenEvent = EventOf<(typeof tokenEvents)[number]>;
