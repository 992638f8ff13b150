import * as z from 'zod';
import type { CancelResult, RetryResult } from '../../../coordinator/application.ts';
import type { BuildInputs } from '../../../coordinator/builds/build-inputs.ts';
import { type AttemptRow, type BuildDetail, type BuildRow, buildStates } from '../../../coordinator/ports/views.ts';
import { standings } from '../../../domain/build/standing.ts';
import { identifier } from '../../../domain/event.ts';
import { instant, text, texts } from './basics.ts';
import { cancellation } from './blockers.ts';
import { earlierBuildRow } from './earlier-builds.ts';
import { submitResult } from './submissions.ts';

const failure = z.object({ class: text, message: text }).nullable();
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

export const retryResult: z.ZodType<RetryResult> = z.object({
  retried: z.int().describe('derivations that are built again'),
  underWay: z.int().describe('builds that were passed over: another of the derivation is under way'),
  available: z.int().describe('builds that were passed over: their outputs are there'),
  builds: z
    .array(z.object({ build: text, derivation: text }))
    .describe('the first hundred of those that are built again'),
  submissions: z.array(submitResult),
});

export const standing = z
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
  before: z
    .number()
    .describe(
      'of one that an agent has: milliseconds that builds of its name and system took before, in the median of the last five; absent where there were none',
    )
    .exactOptional(),
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
  canceled: cancellation.exactOptional(),
  outputs: texts,
  attempts: z.array(attemptRow),
  options: z.object({
    maxAttempts: z.int().exactOptional(),
    timeoutSeconds: z.int().exactOptional(),
    maxSilentSeconds: z.int().exactOptional(),
    deferUntil: instant.describe('no agent is given it before then').exactOptional(),
  }),
  earlier: z.array(earlierBuildRow).describe('of the same derivation, 20 at most').exactOptional(),
});

export const buildInputs: z.ZodType<BuildInputs> = z.object({
  derivation: text,
  inputs: z.array(
    z.object({
      derivation: text.describe('absent for a source').exactOptional(),
      items: z.array(
        z.object({
          output: text.describe('of the derivation').exactOptional(),
          path: text.describe('base name of the store item'),
          available: z.boolean().describe('whether it can be had now, with all that it refers to'),
        }),
      ),
      build: text.describe('the last one of the derivation that is remembered').exactOptional(),
      state: z
        .enum([...buildStates, ...standings])
        .describe('how that stands')
        .exactOptional(),
    }),
  ),
  total: z.int(),
  next: z.int().describe('to be given as `after`, where there are more').exactOptional(),
});

/** Parameters that name a thing. */
export const buildParams = z.object({ build: identifier });
