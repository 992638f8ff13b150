import * as z from 'zod';
import type { TokenInfo } from '../../../coordinator/application.ts';
import { identifier } from '../../../domain/event.ts';
import { scopes } from '../../../domain/token/events.ts';
import { instant, text } from './basics.ts';

export const tokenInfo: z.ZodType<TokenInfo> = z.object({
  id: text,
  name: text,
  scope: z.enum(scopes),
  agent: text.exactOptional(),
  issuedAt: instant,
  revoked: z.boolean(),
  revocation: z
    .object({ at: instant, by: text, name: text.exactOptional() })
    .describe('when it was revoked, and the id and name of the token that did')
    .exactOptional(),
  until: instant.describe('when it will be revoked').exactOptional(),
});

/** What a token may know of itself. */
export const ownToken = z.object({ id: text, name: text, scope: z.enum(scopes), agent: text.exactOptional() });

export const tokenParams = z.object({ token: identifier });
