import * as z from 'zod';
import type { AgentStatus } from '../../../coordinator/application.ts';
import { type AgentPlace, agentAbilities, agentLimits } from '../../../domain/agent/events.ts';
import { intakes } from '../../../domain/agent/state.ts';
import { failureClasses } from '../../../domain/build/failure-class.ts';
import { identifier } from '../../../domain/event.ts';
import { instant, text } from './basics.ts';

const place: z.ZodType<AgentPlace> = z.object({
  host: text.exactOptional(),
  pid: z.int().exactOptional(),
  address: text.exactOptional(),
});

export const agentStatus: z.ZodType<AgentStatus> = z.object({
  name: text,
  state: z.enum(['new', 'connected', 'disconnected', 'lost', 'retired']),
  intake: z.enum(intakes),
  reason: text.exactOptional(),
  until: instant.exactOptional(),
  operator: z.object({
    said: z.enum(['active', 'paused', 'draining', 'drained']),
    reason: text.exactOptional(),
    since: instant.exactOptional(),
    by: text.exactOptional(),
    byName: text.exactOptional(),
  }),
  link: z.object({
    state: z.enum(['new', 'connected', 'disconnected', 'left', 'lost', 'retired']),
    since: instant,
    reason: text.exactOptional(),
    leaving: z.literal(true).exactOptional(),
    place: place.exactOptional(),
  }),
  quarantine: z.object({ since: instant, reason: text.exactOptional() }).exactOptional(),
  unfit: z.object({ since: instant, reason: text }).exactOptional(),
  limited: z.object({ since: instant, by: z.enum(agentLimits), reason: text }).exactOptional(),
  refused: z
    .object({ code: text, message: text, at: instant.exactOptional(), place: place.exactOptional() })
    .exactOptional(),
  abilities: agentAbilities.exactOptional(),
  version: text.exactOptional(),
  builder: text.exactOptional(),
  running: z.array(z.object({ build: text, attempt: z.int(), derivation: text })),
  recent: z.object({
    attempts: z.int(),
    failed: z.int(),
    lastFailure: z
      .object({ build: text, attempt: z.int(), class: z.enum(failureClasses), message: text, at: instant })
      .exactOptional(),
  }),
  heartbeat: z
    .object({ at: instant, load1: z.number().exactOptional(), freeBytes: z.number().exactOptional() })
    .exactOptional(),
});

export const agentParams = z.object({ agent: identifier });
