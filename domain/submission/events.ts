import * as z from 'zod';
import { baseName, count, defineEvent, type EventOf, identifier, instant, shortText, tags } from '../event.ts';

/** What holds for every build of a submission; absent means the coordinator's default. */
export const buildOptions = z.object({
  priority: z.int().min(-1000).max(1000),
  maxAttempts: z.int().min(1).max(100).optional(),
  timeoutSeconds: z.int().min(1).optional(),
  maxSilentSeconds: z.int().min(1).optional(),
  /** No agent is given it before then. */
  deferUntil: instant.optional(),
  tags: tags.optional(),
});
export type BuildOptions = z.infer<typeof buildOptions>;

const rootTags = z.record(baseName, tags).optional();

/** Most names that one event of an older version lists; new ones have `namesPerEvent` of domain/limits.ts at most. */
const mostNames = 4000;

export const SubmissionReceived = defineEvent(
  'SubmissionReceived',
  'A client submitted derivations, all of them verified. Acted upon once `rootCount` roots are on the stream.',
  z.object({
    /** The first store directory of the coordinator. */
    storeDir: z.string(),
    /** How many roots the submission has in all, those of later SubmissionRootsAdded events included. */
    rootCount: count,
    /** Base names of the derivations that were asked for. */
    roots: z.array(baseName).max(mostNames),
    /** Tags of single ones of these roots, kept with their builds beside those of `options`. */
    rootTags,
    options: buildOptions,
    /** Whether inputs without an available output or a build are built too. */
    inputs: z.boolean(),
    /** Whether to build what is already built or under way. */
    force: z.boolean(),
    /** What upstreams are asked for: inputs alone, or what was asked for as well; absent: `all`. What no upstream is asked for counts as available only where the pool has it. */
    checkUpstream: z.enum(['never', 'inputs', 'all']).optional(),
    /** What was asked for is kept under this name, until then; for good if that is absent. */
    root: z.object({ name: identifier, until: instant.optional() }).optional(),
    /** Why: asked for by a client, or by the coordinator because an output that is needed went missing. */
    reason: z.enum(['requested', 'rebuild', 'retry']),
    /** Digest of what makes a repeat recognisable: the client's idempotency key, or the event that caused a rebuild. For tokens of scope `admin` only. */
    key: z.string().max(128).optional(),
    /** SHA-256 over everything that was wished for, base 16: the same key with another wish is refused. */
    wish: z.string().max(64).optional(),
  }),
  [],
  // The client's key may be one that only it knows.
  { adminOnly: ['key'] },
);
export const SubmissionRootsAdded = defineEvent(
  'SubmissionRootsAdded',
  'The next part of the roots of a large submission.',
  z.object({
    roots: z.array(baseName).max(mostNames),
    /** As in SubmissionReceived, of these roots. */
    rootTags,
  }),
);
export const SubmissionJoined = defineEvent(
  'SubmissionJoined',
  'Builds that were under way already build roots of this submission.',
  z.object({ builds: z.array(identifier).max(mostNames) }),
);
export const SubmissionQueued = defineEvent(
  'SubmissionQueued',
  'Every derivation and build of the submission is on its stream.',
  z.object({
    /** Derivations that were new. */
    derivations: count,
    /** Builds submitted. */
    builds: count,
    /** Roots for which no build was made because their outputs are available. */
    available: count,
    /** Of `available`, those of which an upstream has an output that the pool has not. */
    upstream: count.optional(),
    /** Store items that upstreams were found to have when it was queued. */
    foundUpstream: count.optional(),
    /** Builds under way that the submission joined, as they build a root of it; which ones say SubmissionJoined events. */
    joined: count,
  }),
);

export const SubmissionSetAside = defineEvent(
  'SubmissionSetAside',
  'The coordinator stood still over this submission and was ended by its watchdog. The builds that it has go on; no more are made.',
  z.object({
    reason: shortText,
    /** Where it stood still, innermost function first: the top of the stack. */
    stack: z.array(z.string().max(512)).max(20),
  }),
);
export const SubmissionResumed = defineEvent('SubmissionResumed', 'An operator has it queued after all.', z.object({}));
export const SubmissionCanceled = defineEvent(
  'SubmissionCanceled',
  'A client cancelled it: it wants nothing any more. Its builds end that nobody else wants, and no more are made.',
  z.object({ reason: shortText.optional() }),
);

export const submissionEvents = [
  SubmissionReceived,
  SubmissionRootsAdded,
  SubmissionJoined,
  SubmissionQueued,
  SubmissionSetAside,
  SubmissionResumed,
  SubmissionCanceled,
] as const;
export type SubmissionEvent = EventOf<(typeof submissionEvents)[number]>;
export type SubmissionReceived = EventOf<typeof SubmissionReceived>;
