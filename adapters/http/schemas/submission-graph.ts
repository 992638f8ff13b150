import * as z from 'zod';
import type { SubmissionGraph } from '../../../coordinator/application.ts';
import { graphStates, mostGraphNodes, mostGraphParts } from '../../../projections/submission-graph.ts';
import { instant, text } from './basics.ts';

export type GraphAnswer = SubmissionGraph & { readonly stateNames: readonly (typeof graphStates)[number][] };

export const submissionGraph: z.ZodType<GraphAnswer> = z.object({
  at: instant.describe('when states were so'),
  shape: text.describe('another one where `nodes`, `parts` or `edges` are others'),
  builds: z.int().describe('derivations of all nodes and parts'),
  nodes: z
    .array(z.object({ build: text, derivation: text }))
    .describe(
      `the last build of each derivation; where there are more than ${mostGraphNodes}, those that are in no part. Absent, as are \`parts\` and \`edges\`, where \`shape\` is the one that was asked with`,
    )
    .exactOptional(),
  parts: z
    .array(
      z.object({
        prefix: text.describe('with which all of it begin: a name, then a blank and the hash part'),
        builds: z.int(),
      }),
    )
    .describe(`at most ${mostGraphParts}; what is in one is asked for as \`part\``)
    .exactOptional(),
  edges: z
    .array(z.int())
    .describe(
      'pairs: what is needed, and what needs it, by their places among the nodes and, after these, the parts. One that others say already is left out; of parts, all but the three that each needs most of',
    )
    .exactOptional(),
  stateNames: z.array(z.enum(graphStates)),
  states: z.array(z.int()).describe("of each node, its state's place in `stateNames`"),
  partStates: z.array(z.array(z.int())).describe('of each part, how many of its builds are at each of `stateNames`'),
});
