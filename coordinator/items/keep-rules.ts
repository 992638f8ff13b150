import * as z from 'zod';
import { identifier, shortText, tags } from '../../domain/event.ts';

/** `[[keep]]`: the newest successful builds of each derivation name and tag are kept from being collected. */
export const keepRule = z.strictObject({
  name: identifier.describe('Name of the rule, and of the root that it keeps.'),
  newest: z
    .int()
    .min(1)
    .max(10_000)
    .describe('How many derivations are kept of each name: those that were submitted last and have succeeded.'),
  derivation: shortText
    .min(1)
    .exactOptional()
    .describe('Only derivations with such a name, as hello-2.12; * stands for any characters, ? for one.'),
  tags: tags.exactOptional().describe('Only builds with these tags, each with this value.'),
  per: z
    .array(z.string().regex(/^[0-9a-zA-Z][0-9a-zA-Z._/-]{0,63}$/, 'expected the name of a tag'))
    .max(8)
    .exactOptional()
    .describe('Names of tags: builds with other values of these are counted apart.'),
});
export type KeepRule = z.infer<typeof keepRule>;

/** Most rules: each build that succeeds is held against all of them. */
export const mostKeepRules = 100;
