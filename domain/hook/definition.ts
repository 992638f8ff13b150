import * as z from 'zod';
import { failureClasses } from '../build/failure-class.ts';
import { identifier, tags } from '../event.ts';
import { hookTarget } from './target.ts';

/** `<stream>@<revision>`: names an event for ever, whatever engine the log is on. */
export const eventId = z
  .string()
  .max(256)
  .regex(/^[a-z]+-[^@\s]+@(?:0|[1-9][0-9]{0,15})$/, 'expected <stream>@<revision>');

const mostTags = 64;

/** Conditions beside the type; all that are given have to hold, and what an event has nothing to say of does not hold. */
export const hookConditions = z.strictObject({
  /** Tags of the build or submission, all of them with these values. */
  tags: tags.refine((all) => Object.keys(all).length <= mostTags, `expected at most ${mostTags} tags`).optional(),
  /** One of these systems. */
  systems: z.array(z.string().min(1).max(64)).min(1).max(64).optional(),
  /** Name of the derivation or store item, without its hash: `*` stands for any characters, `?` for one. */
  name: z.string().min(1).max(256).optional(),
  /** One of these failure classes. */
  classes: z.array(z.enum(failureClasses)).min(1).max(failureClasses.length).optional(),
  /** One of these agents. */
  agents: z.array(identifier).min(1).max(1000).optional(),
});
export type HookConditions = z.infer<typeof hookConditions>;

const seconds = z
  .int()
  .min(1)
  .max(7 * 24 * 3600);

/** What a hook is: which events it gets, where they go, and how. */
export const hookDefinition = z.strictObject({
  /** Types of events. */
  on: z
    .array(z.string().regex(/^[A-Z][0-9a-zA-Z]{0,63}$/, 'expected the name of an event type'))
    .min(1)
    .max(200),
  where: hookConditions.optional(),
  target: hookTarget,
  /** Deliveries at a time. */
  concurrency: z.int().min(1).max(64),
  /** How long one delivery may take. */
  timeoutSeconds: seconds,
  retry: z.strictObject({
    /** Deliveries of one event before it is parked. */
    maxAttempts: z.int().min(1).max(1000),
    /** Wait before the second; doubles with each further one, with jitter. */
    baseSeconds: seconds,
    maxSeconds: seconds,
  }),
  /** `stream`: events of one stream one after the other; `all`: each event waits for the one before it in the log. */
  order: z.enum(['stream', 'all']),
});
export type HookDefinition = z.infer<typeof hookDefinition>;

export const hookDefaults = {
  concurrency: 4,
  timeoutSeconds: 60,
  retry: { maxAttempts: 10, baseSeconds: 5, maxSeconds: 900 },
  order: 'stream',
} as const satisfies Partial<HookDefinition>;

/** A place in the log: after an event, before one, or, where neither is given, at its start. */
export const hookPlace = z.strictObject({ after: eventId.optional(), before: eventId.optional() });
export type HookPlace = z.infer<typeof hookPlace>;

/** The parts of an {@link eventId}. */
export function parseEventId(id: string): { readonly stream: `${string}-${string}`; readonly revision: number } {
  const at = id.lastIndexOf('@');
  return { stream: id.slice(0, at) as `${string}-${string}`, revision: Number(id.slice(at + 1)) };
}

/** Hooks that there are at a time: each costs a look at every commit, and memory and processor time of its own where it fails. */
export const mostHooks = 100;
/** Streams of one hook that are not settled as far as its place: more of them, and it takes no further events. */
export const mostHeldStreams = 400;
/** Characters of an error that events keep; with those of all held streams they fit into a commit. */
export const keptHookError = 200;
