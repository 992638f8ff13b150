import * as z from 'zod';
import type { Blockage, NotQueued, SubmissionPriority, SubmitResult } from '../../../coordinator/application.ts';
import {
  type BuildViewState,
  buildStates,
  type SubmissionRow,
  submissionStates,
} from '../../../coordinator/ports/views.ts';
import { identifier } from '../../../domain/event.ts';
import { counts, instant, text } from './basics.ts';
import { blockageFields } from './blockers.ts';

export const submitResult: z.ZodType<SubmitResult> = z.object({
  submission: text,
  derivations: z.int(),
  builds: z.int(),
  available: z.int(),
  upstream: z
    .int()
    .describe('of `available`, those of which an upstream has an output that the pool has not')
    .exactOptional(),
  foundUpstream: z.int().describe('store items that upstreams were found to have').exactOptional(),
  joined: z.array(text),
});

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

/** A submission, and how it goes on. */
export type SubmissionDetail = SubmissionRow &
  Blockage & {
    readonly priority: SubmissionPriority | null;
    readonly joined: SubmissionRow['counts'] | null;
    readonly notQueued: NotQueued | null;
  };

const submissionPriority: z.ZodType<SubmissionPriority> = z.object({
  submitted: z.int().describe('what it was submitted with'),
  lowest: z.int().describe('of unfinished builds of what it asked for; absent where there are none').exactOptional(),
  highest: z.int().exactOptional(),
});

export const submissionDetail: z.ZodType<SubmissionDetail> = z.object({
  ...submissionRowFields,
  ...blockageFields,
  joined: submissionRowFields.counts
    .nullable()
    .describe('builds of other submissions that it joined, by state, once all of them have ended; `null` before'),
  priority: submissionPriority.nullable().describe('`null`: it ended so long ago that this is not held'),
  notQueued: z
    .object({
      reason: text,
      again: instant.nullable().describe('when it is tried again; `null`: once its derivations are submitted again'),
    })
    .nullable()
    .describe('why its builds could not be made the last time that it was tried, where they are not'),
});

export const submissionParams = z.object({ submission: identifier });
