import * as z from 'zod';
import { count, defineEvent, type EventOf, instant, shortText } from '../event.ts';
import { eventId, hookDefinition, hookPlace, keptHookError, mostHeldStreams } from './definition.ts';

/** Never reached: held streams are bounded, also where those of before and after are named beside each other. */
const mostNames = 10 * mostHeldStreams;
const stream = z.string().max(256);
/** Of a command or a receiver, who often repeat where they were called: for admins only, as that is. */
const error = z.string().max(keptHookError);

/** A stream of which not everything up to the hook's place is settled. */
export const heldStream = z.object({
  stream,
  /** Of its first event that is not settled; all before it are, whatever the place is. */
  revision: count,
  /** When that event happened. */
  at: instant,
  /** Deliveries of it that failed. */
  attempts: count,
  /** How the last one failed. */
  error: error.optional(),
  /** The next one comes no sooner. */
  notBefore: instant.optional(),
});

export const HookAdded = defineEvent(
  'HookAdded',
  'An operator or the configuration added a hook.',
  z.object({
    definition: hookDefinition,
    /** Where it begins; absent where it goes on from its place, as it was there before. */
    from: hookPlace.optional(),
    /** Where it is kept: what the configuration declares is changed there. */
    source: z.enum(['api', 'config']),
  }),
  [],
  // Addresses of webhooks, and commands, often have a secret in them.
  { adminOnly: ['definition'] },
);
export const HookChanged = defineEvent(
  'HookChanged',
  'It is something else from here on; its place stays.',
  z.object({ definition: hookDefinition, source: z.enum(['api', 'config']) }),
  [],
  { adminOnly: ['definition'] },
);
export const HookPaused = defineEvent(
  'HookPaused',
  'It delivers nothing until it is resumed; what it owes waits.',
  z.object({ reason: shortText.optional() }),
);
export const HookResumed = defineEvent('HookResumed', 'It goes on from its place.', z.object({}));
export const HookRemoved = defineEvent(
  'HookRemoved',
  'An operator or the configuration removed it. Its place is kept, for when it is added again.',
  z.object({ reason: shortText.optional() }),
);
export const HookCheckpointed = defineEvent(
  'HookCheckpointed',
  'How far its deliveries are: one event for many of them, at most one a second and one at shutdown.',
  z.object({
    /** Every event up to and with this one is settled, but those of held streams; absent where its place stays. */
    through: eventId.optional(),
    /** Streams that are held from here on, or otherwise than before. */
    held: z.array(heldStream).max(mostNames).optional(),
    /** Streams that are held no more. */
    released: z.array(stream).max(mostNames).optional(),
    /** Deliveries that succeeded since the checkpoint before. */
    delivered: count,
  }),
  [],
  { adminOnly: ['held'] },
);
export const HookParked = defineEvent(
  'HookParked',
  'All attempts to deliver an event failed: it, and what comes after it on its stream, waits for an operator.',
  z.object({
    event: eventId,
    /** When that event happened. */
    at: instant,
    attempts: count,
    error,
  }),
  [],
  { adminOnly: ['error'] },
);
export const HookRetried = defineEvent(
  'HookRetried',
  'An operator has parked events delivered again.',
  z.object({ events: z.array(eventId).max(mostNames) }),
);
export const HookSkipped = defineEvent(
  'HookSkipped',
  'An operator has the hook go on without these events.',
  z.object({ events: z.array(eventId).max(mostNames), reason: shortText.optional() }),
);
export const HookReplayed = defineEvent(
  'HookReplayed',
  'An operator set its place: everything after it is delivered, again where it was before.',
  z.object({
    from: hookPlace,
    /** Streams that stay held, as what is held of them lies before the place. */
    kept: z.array(stream).max(mostNames).optional(),
  }),
);

export const hookEvents = [
  HookAdded,
  HookChanged,
  HookPaused,
  HookResumed,
  HookRemoved,
  HookCheckpointed,
  HookParked,
  HookRetried,
  HookSkipped,
  HookReplayed,
] as const;
export type HookEvent = EventOf<(typeof hookEvents)[number]>;
