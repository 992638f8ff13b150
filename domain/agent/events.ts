import * as z from 'zod';
import { defineEvent, type EventOf, identifier, instant, otherStoreDir, shortText } from '../event.ts';

/** What an agent can build. */
export const agentAbilities = z.object({
  /** What it builds for, where that is not the first one of the coordinator. */
  storeDir: otherStoreDir,
  systems: z.array(z.string().min(1).max(64)).min(1).max(64),
  /** Features it has. */
  features: z.array(z.string().min(1).max(64)).max(64),
  /** Features a build must require to be given to this agent; a subset of `features`. */
  mandatoryFeatures: z.array(z.string().min(1).max(64)).max(64),
  slots: z.int().min(1).max(4096),
});
export type AgentAbilities = z.infer<typeof agentAbilities>;

/** Where a process of an agent runs, as it says itself, and where its link comes from. Older agents say nothing of it. */
export const agentPlace = z.object({
  host: z.string().max(255).optional(),
  pid: z.int().min(1).optional(),
  /** The other end of its connection: a proxy's, where there is one. */
  address: z.string().max(255).optional(),
});
export type AgentPlace = z.infer<typeof agentPlace>;

const reason = shortText;

/**
 * What keeps an agent from taking more. `load`: its machine has too much to do; `collecting`: its store is over its bounds, and it collects
 * garbage as soon as nothing runs; `disk`: it has, and that was not enough.
 */
export const agentLimits = ['load', 'collecting', 'disk'] as const;
export const agentLimit = z.object({ by: z.enum(agentLimits), reason: reason.min(1) });
export type AgentLimit = z.infer<typeof agentLimit>;

export const AgentRegistered = defineEvent(
  'AgentRegistered',
  'An operator added an agent.',
  z.object({ name: identifier }),
);
export const AgentConnected = defineEvent(
  'AgentConnected',
  'The agent opened its link and said what it can build.',
  z.object({
    abilities: agentAbilities,
    version: z.string().max(64),
    builder: z.string().max(128),
    place: agentPlace.optional(),
  }),
);
export const AgentDisconnected = defineEvent(
  'AgentDisconnected',
  'The link was lost. What the agent runs goes on until the lease ends.',
  z.object({
    /** By the clock of then; each start of the coordinator gives a whole new lease. */
    leaseUntil: instant,
    reason,
  }),
);
export const AgentLost = defineEvent('AgentLost', 'The lease ended without the agent coming back.', z.object({}));
export const AgentPaused = defineEvent(
  'AgentPaused',
  'An operator paused it: it gets no new builds. Said again, it is for another reason; of a pause and a drain the last counts.',
  z.object({ reason: reason.optional() }),
);
export const AgentResumed = defineEvent(
  'AgentResumed',
  'A pause, a drain or a quarantine ended.',
  z.object({ reason: reason.optional() }),
);
export const AgentDraining = defineEvent(
  'AgentDraining',
  'It gets no new builds, and waits once its builds have ended. Where it said so itself, it leaves then.',
  z.object({
    reason: reason.optional(),
    /** It said so itself, as it is being stopped. Then its next connection ends it; otherwise AgentResumed does. */
    byAgent: z.literal(true).optional(),
  }),
);
export const AgentQuarantined = defineEvent(
  'AgentQuarantined',
  'Too many attempts failed through the fault of the machine; it gets no builds until `until`.',
  z.object({ until: instant, reason }),
);
export const AgentUnfit = defineEvent(
  'AgentUnfit',
  'The agent tried itself and found that it cannot build, for this reason: it gets no builds until AgentFit.',
  z.object({ reason }),
);
export const AgentFit = defineEvent('AgentFit', 'The agent tried itself again, and it can build.', z.object({}));
export const AgentLimited = defineEvent(
  'AgentLimited',
  'It takes nothing new for now, as its machine is busy or its store over its bounds: until AgentUnlimited, or its next connection.',
  agentLimit,
);
export const AgentUnlimited = defineEvent('AgentUnlimited', 'It takes builds again.', z.object({}));
export const AgentRetired = defineEvent('AgentRetired', 'An operator removed it.', z.object({}));

export const agentEvents = [
  AgentRegistered,
  AgentConnected,
  AgentDisconnected,
  AgentLost,
  AgentPaused,
  AgentResumed,
  AgentDraining,
  AgentQuarantined,
  AgentUnfit,
  AgentFit,
  AgentLimited,
  AgentUnlimited,
  AgentRetired,
] as const;
export type AgentEvent = EventOf<(typeof agentEvents)[number]>;
