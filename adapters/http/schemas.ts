import { z } from 'zod';
import type {
  AgentStatus,
  Blockage,
  Blocker,
  BuildHistory,
  CancelResult,
  DeletionReport,
  FarmStatus,
  ItemWhy,
  Outlook,
  PhaseSums,
  RetryResult,
  RootDetail,
  RootStatus,
  SubmissionTimes,
  SubmitResult,
  TokenInfo,
  WaitedInput,
  Why,
} from '../../coordinator/application.ts';
import type { HookStatus } from '../../coordinator/hooks/status.ts';
import type { UploadStatus } from '../../coordinator/ports/pool.ts';
import {
  type AttemptRow,
  type BuildDetail,
  type BuildRow,
  type BuildViewState,
  buildStates,
  type ItemRow,
  type SubmissionRow,
  submissionStates,
} from '../../coordinator/ports/views.ts';
import { type AgentPlace, agentAbilities, agentLimits } from '../../domain/agent/events.ts';
import { intakes } from '../../domain/agent/state.ts';
import { failureCauses } from '../../domain/build/events.ts';
import { endClasses, failureClasses } from '../../domain/build/failure-class.ts';
import { standings } from '../../domain/build/standing.ts';
import { identifier } from '../../domain/event.ts';
import { hookDefinition, hookPlace } from '../../domain/hook/definition.ts';
import { type HookTarget, hookTarget, hookTargetKinds } from '../../domain/hook/target.ts';
import { storeItem } from '../../domain/item/events.ts';
import { scopes } from '../../domain/token/events.ts';
import { blockingCauses } from '../../projections/blocked.ts';
import { keepReasons } from '../../projections/kept.ts';
import { obstacleCodes } from '../../projections/obstacles.ts';
import { outlookStates } from '../../projections/outlook.ts';
import { phases } from '../../projections/timeline.ts';
import { inputStates } from '../../projections/why.ts';

/**
 * What the routes answer. Each schema is annotated with the type of the port it shows, so that the two cannot part; only
 * what is in a schema leaves the house.
 */
const text = z.string();
const texts = z.record(text, text);
const instant = z.int().describe('milliseconds since the Unix epoch');
const counts = <const Name extends string>(...names: readonly Name[]) =>
  z.object(Object.fromEntries(names.map((name) => [name, z.int()])) as Record<Name, z.ZodInt>);
const failure = z.object({ class: text, message: text }).nullable();

export const tokenInfo: z.ZodType<TokenInfo> = z.object({
  id: text,
  name: text,
  scope: z.enum(scopes),
  agent: text.exactOptional(),
  issuedAt: instant,
  revoked: z.boolean(),
  until: instant.exactOptional(),
});

/** What a token may know of itself. */
export const ownToken = z.object({ id: text, name: text, scope: z.enum(scopes), agent: text.exactOptional() });

const failingEvent = z.object({
  event: text,
  at: instant,
  attempts: z.int(),
  error: text.exactOptional(),
  next: instant.exactOptional(),
});
export const hookStatus: z.ZodType<VisibleHook> = z.object({
  name: text,
  state: z.enum(['active', 'paused', 'broken']),
  source: z.enum(['api', 'config']),
  definition: hookDefinition
    .omit({ target: true })
    .extend({ target: z.union([hookTarget, z.object({ kind: z.enum(hookTargetKinds) })]) })
    .describe('Where events go is for tokens of scope admin; others see only the kind.'),
  place: hookPlace.describe('As it is written down: everything up to there is settled, but what fails or is parked.'),
  waits: text.describe('What it waits for, in words; absent where it has nothing to do, or does it.').exactOptional(),
  lag: z.object({
    events: z.int().describe('events that it owes'),
    exact: z.boolean().describe('whether these are all: not where it reads the log from further back'),
    seconds: z.number().describe('age of the oldest that it owes'),
  }),
  delivered: z.int(),
  inFlight: z.array(z.object({ event: text, attempt: z.int(), seconds: z.number() })),
  failing: z.array(failingEvent),
  parked: z.array(failingEvent),
  counts: z
    .object({ failing: z.int(), parked: z.int() })
    .describe('how many there are: of those that fail or are parked, the first 100 are named'),
  lastFailure: z
    .object({ event: text, error: text.describe('for tokens of scope admin').exactOptional(), at: instant })
    .exactOptional(),
});
/** A hook without what may be secret of it. */
export type VisibleHook = Omit<HookStatus, 'definition'> & {
  readonly definition: Omit<HookStatus['definition'], 'target'> & {
    readonly target: HookTarget | { readonly kind: HookTarget['kind'] };
  };
};

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

const outcomes = ['canceled', 'unwanted', 'kept'] as const;
export const cancelResult: z.ZodType<CancelResult> = z.object({
  canceled: z.int().describe('builds that were cancelled'),
  unwanted: z.int().describe('others that ended with them, as nobody wants them any more'),
  kept: z.int().describe('builds that go on, as other submissions want them'),
  waiting: z.int().describe('unfinished builds that wait for one of those that ended'),
  builds: z
    .array(
      z.object({
        build: text,
        derivation: text,
        state: z.enum(['none', ...buildStates]).describe('before'),
        outcome: z.enum(outcomes),
        wantedBy: z.array(text).describe('submissions that want it, one or two of however many'),
      }),
    )
    .describe('the first hundred of those that ended or go on'),
});

export const submitResult: z.ZodType<SubmitResult> = z.object({
  submission: text,
  derivations: z.int(),
  builds: z.int(),
  available: z.int(),
  joined: z.array(text),
});

export const retryResult: z.ZodType<RetryResult> = z.object({
  retried: z.int().describe('derivations that are built again'),
  underWay: z.int().describe('builds that were passed over: another of the derivation is under way'),
  available: z.int().describe('builds that were passed over: their outputs are there'),
  builds: z
    .array(z.object({ build: text, derivation: text }))
    .describe('the first hundred of those that are built again'),
  submissions: z.array(submitResult),
});

const standing = z
  .enum(standings)
  .describe(
    'of one that is queued: nothing under way can set it going, or it waits for a time that somebody deferred it to, for inputs that are coming, for the time of its next attempt, or for a slot',
  );
const buildRowFields = {
  id: text,
  derivation: text,
  system: text,
  submission: text,
  state: z.enum(buildStates),
  standing: standing.exactOptional(),
  reason: text,
  priority: z.int(),
  tags: texts,
  attempt: z.int().describe('number of the last attempt; 0 before the first'),
  agent: text.nullable(),
  submittedAt: instant,
  startedAt: instant.nullable(),
  endedAt: instant.nullable(),
  failure,
  changedAt: instant.describe('when its last event happened; milliseconds since the Unix epoch'),
};
export const buildRow: z.ZodType<BuildRow> = z.object(buildRowFields);

const attemptRow: z.ZodType<AttemptRow> = z.object({
  attempt: z.int(),
  agent: text,
  allocatedAt: instant,
  startedAt: instant.nullable(),
  endedAt: instant.nullable(),
  outcome: text,
  failure,
  logBytes: z.int().nullable(),
});

export const buildDetail: z.ZodType<BuildDetail> = z.object({
  ...buildRowFields,
  outputs: texts,
  attempts: z.array(attemptRow),
  options: z.object({
    maxAttempts: z.int().exactOptional(),
    timeoutSeconds: z.int().exactOptional(),
    maxSilentSeconds: z.int().exactOptional(),
    deferUntil: instant.describe('no agent is given it before then').exactOptional(),
  }),
});

export const itemRow: z.ZodType<ItemRow> = storeItem.extend({
  addedAt: instant,
  addedBy: text,
  deriver: storeItem.shape.path.exactOptional(),
  ca: text.exactOptional(),
  unpublished: z
    .object({ at: instant, until: instant, by: text, reason: text })
    .describe('It is being deleted: nobody gets it any more, and its bytes go then.')
    .exactOptional(),
}) as unknown as z.ZodType<ItemRow>;

export const itemWhy: z.ZodType<ItemWhy> = z.object({
  item: text,
  state: z.enum(['present', 'unpublished', 'gone']),
  reason: z.enum(keepReasons).describe('what keeps it; absent where nothing does').exactOptional(),
  chain: z.array(text).describe('From what is kept for itself down to the item, each referring to the next.'),
  root: text.exactOptional(),
  build: text.exactOptional(),
  until: instant.describe('until when the reason holds, or when the bytes of what is unpublished go').exactOptional(),
  nextCollection: instant.describe('when the next collection of the schedule comes').exactOptional(),
  summary: text,
});

export const rootStatus: z.ZodType<RootStatus> = z.object({
  name: text,
  source: z.enum(['api', 'submission', 'config']).describe('who keeps it'),
  targets: z.int().describe('how many store items it names'),
  unavailable: z.int().describe('how many of them are not available'),
  addedAt: instant.describe('when something was added last'),
  addedBy: text,
  until: instant.describe('when something of it expires first').exactOptional(),
});
export const rootDetail: z.ZodType<RootDetail> = z.object({
  ...(rootStatus as unknown as z.ZodObject).shape,
  kept: z.array(
    z.object({
      item: text,
      state: z.enum(['available', 'unpublished', 'unavailable']),
      until: instant.exactOptional(),
    }),
  ),
}) as unknown as z.ZodType<RootDetail>;

export const deletionReport: z.ZodType<DeletionReport> = z.object({
  items: z
    .array(
      z.object({ item: text, state: z.enum(['present', 'unpublished', 'deleted']), until: instant.exactOptional() }),
    )
    .describe('All that were named, as they are now.'),
  needed: z.int().describe('how many of them somebody needs'),
  needs: z
    .array(
      z.object({
        item: text,
        by: z.array(
          z.object({
            kind: z.enum(['root', 'build', 'upload', 'item']),
            root: text.exactOptional(),
            build: text.exactOptional(),
            derivation: text.exactOptional(),
            item: text.exactOptional(),
            text,
          }),
        ),
      }),
    )
    .describe('The first hundred of these, each with some of who needs it.'),
  rebuilds: z.int().describe('how many derivations are built again, as unfinished builds need what they make'),
  derivations: z.array(text).describe('The first hundred of these.'),
  sources: z.array(text).describe('Needed, and no known derivation makes them: builds wait until somebody sends them.'),
  freed: z.int().describe('bytes of files that go'),
}) as unknown as z.ZodType<DeletionReport>;

const loss = z
  .object({ at: instant, how: z.enum(['deleted', 'missing']), reason: text })
  .describe('when and why a source that was there went');

/** The attempt that failed last. */
const lastFailure = z.object({
  attempt: z.int(),
  class: z.enum(endClasses),
  message: text,
  agent: text,
  cause: z.enum(failureCauses).exactOptional(),
});
const cancellation = z
  .object({
    by: text,
    name: text.exactOptional(),
    at: instant,
    reason: text.exactOptional(),
    unwanted: z.literal(true).describe('nobody cancelled this one: what wanted it was').exactOptional(),
  })
  .describe('id and name of the token that cancelled it, when, and what was said');
const agentObstacles = z.array(z.object({ name: text, code: z.enum(obstacleCodes), obstacle: text }));
const remedy = text.describe('what would set it going: a command where there is one');

const blocker: z.ZodType<Blocker> = z.object({
  item: text,
  state: z.enum(blockingCauses),
  derivation: text.exactOptional(),
  build: text.exactOptional(),
  failure: lastFailure.exactOptional(),
  canceled: cancellation.exactOptional(),
  at: instant.exactOptional(),
  lost: loss.exactOptional(),
  system: text.exactOptional(),
  features: z.array(text).exactOptional(),
  agents: agentObstacles.exactOptional(),
  waiting: z.int().describe('how many of the builds wait for it'),
  blocks: z.int().describe('how many unfinished builds of the whole farm do').exactOptional(),
  more: z.boolean().describe('there are more than that').exactOptional(),
  remedy,
});
const blockageFields = {
  unfinished: z.int().describe('builds that have not ended, those that it joined included'),
  blocked: z.int().describe('those of them that nothing under way can set going'),
  agentless: z.int().describe('those of the blocked that nothing but an agent is lacking for'),
  blockers: z.array(blocker).describe('what they wait for, that which most wait for first; at most 20'),
  total: z.int().describe('how many blockers there are'),
  more: z.boolean().describe('there may be more of them').exactOptional(),
};

const submissionRowFields = {
  id: text,
  receivedAt: instant,
  queuedAt: instant.nullable(),
  state: z
    .enum(submissionStates)
    .describe('`blocked`: builds of it have not ended, and nothing under way can set any of these going'),
  setAside: text.nullable().describe('why it is set aside, where it is'),
  canceled: z
    .object({
      at: instant,
      by: text.describe('id of a token'),
      name: text.describe('of that token').exactOptional(),
      reason: text.nullable(),
    })
    .nullable()
    .describe('when, by whom and why it was cancelled, where it was'),
  roots: z.int().describe('derivations that were asked for'),
  derivation: text.nullable().describe('base name of the first of them'),
  reason: text,
  counts: counts(...buildStates) as z.ZodType<Readonly<Record<BuildViewState, number>>>,
};
export const submissionRow: z.ZodType<SubmissionRow> = z.object(submissionRowFields);

export const submissionDetail: z.ZodType<SubmissionRow & Blockage> = z.object({
  ...submissionRowFields,
  ...blockageFields,
});

const ms = z.number().describe('milliseconds');
export const phaseSums: z.ZodType<PhaseSums> = z
  .object(
    Object.fromEntries(phases.map((phase) => [phase, ms.exactOptional()])) as Record<
      (typeof phases)[number],
      z.ZodExactOptional<typeof ms>
    >,
  )
  .describe('milliseconds in each phase; one that took no time is absent');

export const submissionTimes: z.ZodType<SubmissionTimes> = z.object({
  builds: z.int().describe('those that it joined included'),
  phases: phaseSums,
  untold: z
    .int()
    .describe('attempts that have ended without their agents saying how long they fetched: that is in `allocated`'),
  criticalPath: z.object({
    from: instant,
    to: instant,
    ended: z.boolean().describe('whether all builds have; otherwise it is the path so far'),
    phases: phaseSums,
    builds: z.int().describe('on the path; `steps` has the last 100 at most'),
    steps: z.array(
      z.object({
        build: text,
        derivation: text,
        from: instant,
        to: instant,
        phases: phaseSums,
        item: text.describe('the input that it waited for last').exactOptional(),
      }),
    ),
  }),
  advice: z
    .array(
      z.object({
        kind: z.enum([...phases, 'retries', 'lost']),
        ms: ms.describe('what it would have saved at most'),
        system: text.exactOptional(),
        features: z.array(text).exactOptional(),
        cause: text.exactOptional(),
        builds: z.int().describe('of the path, that it is about'),
      }),
    )
    .describe('what would have made it faster'),
});

export const submissionOutlook: z.ZodType<Outlook> = z.object({
  at: instant.describe('when that was so'),
  counts: counts(...outlookStates, 'succeeded', 'failed', 'canceled').describe(
    'its builds, and those that it joined; `fetching`: an agent has it and does not build yet',
  ),
  nodes: z
    .array(
      z.object({
        build: text,
        derivation: text,
        state: z.enum(outlookStates),
        agent: text.exactOptional(),
        attempt: z.int().exactOptional(),
        since: instant.describe('when its attempt began').exactOptional(),
        before: ms
          .describe('milliseconds that others of its name and system took before, in the median of the last five')
          .exactOptional(),
        lacks: z.int().describe('inputs that are not there'),
        parent: text
          .describe('of the builds that wait for it, the one with the longest way to go, where it is among these')
          .exactOptional(),
      }),
    )
    .describe(
      'what runs, the most critical first, what could, and upwards what waits for it; not all, where there is much',
    ),
  estimate: z.object({
    endsAt: instant.describe('absent where nothing can be said').exactOptional(),
    builds: z.int().describe('that are in it'),
    unknown: z
      .int()
      .describe('of them, those whose like was never built: they are taken to take as long as others in the mean'),
    without: z.int().describe('that are not in it: they are blocked, or no agent takes them'),
  }),
});

const phaseName = z.enum(phases);
export const buildHistory: z.ZodType<BuildHistory> = z.object({
  build: text,
  derivation: text,
  state: text,
  from: instant.describe('when it was submitted'),
  to: instant.describe('when it ended, or now'),
  phases: phaseSums,
  entries: z.array(
    z.object({
      kind: z.enum(['event', 'wait', 'hook']),
      at: instant,
      since: ms.describe('milliseconds since the entry before'),
      position: text.exactOptional(),
      event: text.describe('id of the event; for a hook, of that which it was for').exactOptional(),
      type: text.exactOptional(),
      actor: text.exactOptional(),
      summary: text,
      attempt: z.int().exactOptional(),
      log: text.describe('where the log of the attempt is').exactOptional(),
      phases: phaseSums.exactOptional(),
      unknown: z.array(phaseName).describe('phases that the agent did not tell').exactOptional(),
      wait: phaseName.exactOptional(),
      ms: ms.describe('how long it waited').exactOptional(),
      inputs: z
        .array(z.object({ item: text, at: instant.exactOptional(), build: text.exactOptional() }))
        .describe('that it waited for, the last to come first; `total` counts all')
        .exactOptional(),
      total: z.int().exactOptional(),
      hook: text.exactOptional(),
      result: z.enum(['delivered', 'settled', 'skipped', 'parked', 'failing', 'owed']).exactOptional(),
    }),
  ),
  next: z.int().describe('to be given as `after`, where the build has more events').exactOptional(),
  cut: z.array(text).describe('what was left out'),
});

export const uploadStatus: z.ZodType<UploadStatus> = z.object({
  id: text,
  owner: text,
  path: text,
  offset: z.int().describe('bytes that are safe; the next part starts here'),
  fileSize: z.int(),
  finished: z.boolean(),
});

export const farmStatus: z.ZodType<FarmStatus> = z.object({
  builds: counts(
    'blocked',
    'waiting',
    'ready',
    'backoff',
    'deferred',
    'allocated',
    'running',
    'succeeded',
    'failed',
    'canceled',
  ).describe('every build is in one of these'),
  blocked: counts(...blockingCauses).describe(
    'blocked builds by what blocks them at the root; one that several things block is in several',
  ) as z.ZodType<FarmStatus['blocked']>,
  ready: z.record(text, z.int()).describe('ready builds per system'),
  unattended: z.record(text, z.int()).describe('builds that would be ready, did any agent take them; they are blocked'),
  derivations: z.int(),
  items: z.int(),
  agents: counts('connected', 'registered', 'slots', 'busy', 'excess', 'away'),
  position: z.union([text, z.undefined()]),
  pendingCommits: z.int(),
  uploads: counts('waiting', 'refused'),
  verification: z
    .object({
      state: z.enum(['running', 'waiting']),
      begun: instant.exactOptional(),
      ended: instant.exactOptional(),
      next: instant.exactOptional(),
      ...counts('checked', 'total', 'bytes', 'wrong').shape,
    })
    .describe('how far the verification is that goes on by itself')
    .exactOptional(),
});

const waitedInput: z.ZodType<WaitedInput> = z.object({
  item: text,
  state: z.enum(inputStates),
  derivation: text.exactOptional(),
  build: text.exactOptional(),
  missing: z.array(text).exactOptional(),
  lost: loss.exactOptional(),
});
const whyFields = { build: text, state: text, standing: standing.exactOptional(), summary: text };
const until = text.describe('the event that ends the wait');
export const why: z.ZodType<Why> = z.discriminatedUnion('reason', [
  z.object({
    ...whyFields,
    reason: z.literal('ended'),
    at: instant.exactOptional(),
    failure: lastFailure.exactOptional(),
    canceled: cancellation.exactOptional(),
    remedy: remedy.exactOptional(),
  }),
  z.object({
    ...whyFields,
    reason: z.literal('running'),
    agent: text,
    attempt: z.int(),
    leaseUntil: instant.exactOptional(),
    wait: z.object({ for: z.enum(['inputs', 'upload']), reason: text }).exactOptional(),
    until,
  }),
  z.object({ ...whyFields, reason: z.literal('deferred'), notBefore: instant, until }),
  z.object({
    ...whyFields,
    reason: z.literal('back-off'),
    notBefore: instant,
    failure: lastFailure.exactOptional(),
    until,
  }),
  z.object({
    ...whyFields,
    reason: z.literal('inputs'),
    inputs: z.array(waitedInput),
    total: z.int(),
    blockers: z.array(blocker),
    blockerTotal: z.int().describe('how many there are, where not all are named').exactOptional(),
    more: z.boolean().exactOptional(),
    until,
  }),
  z.object({ ...whyFields, reason: z.literal('text-lost'), derivation: text, blockers: z.array(blocker), until }),
  z.object({
    ...whyFields,
    reason: z.literal('no-agent'),
    system: text,
    features: z.array(text),
    agents: agentObstacles,
    blockers: z.array(blocker).describe('none where an agent will take it by itself'),
    until,
  }),
  z.object({ ...whyFields, reason: z.literal('no-slot'), agents: z.array(text), ahead: z.int(), until }),
]);

/** A page of a list. `next` is given back as `after`. */
export function page<Row>(row: z.ZodType<Row>): z.ZodType<{ readonly rows: readonly Row[]; readonly next?: string }> {
  return z.object({ rows: z.array(row), next: text.exactOptional() });
}

/** Query fields of every list. */
export const paging = {
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  after: z.string().max(1024).optional(),
};

/** A field that may be given several times, or once with commas. */
export const many = z
  .union([z.string().max(4096), z.array(z.string().max(4096)).max(64)])
  .transform((given) =>
    (typeof given === 'string' ? [given] : given).flatMap((part) => part.split(',')).filter((part) => part !== ''),
  );

export const flag = z.enum(['true', 'false']).transform((given) => given === 'true');

/** Parameters that name a thing. */
export const buildParams = z.object({ build: identifier });
export const agentParams = z.object({ agent: identifier });
export const submissionParams = z.object({ submission: identifier });
export const tokenParams = z.object({ token: identifier });
export const uploadParams = z.object({ upload: identifier });

/** An answer without a body. */
export const nothing = z.undefined().describe('Done.');
