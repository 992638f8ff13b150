import * as z from 'zod';
import type { Scope } from '../../../domain/token/events.ts';
import type { Change, Changes } from '../../../projections/changes.ts';
import { type ThingKind, thingKinds } from '../../../projections/things.ts';
import { instant, text } from './basics.ts';

/** Rows of each list at most. */
export const mostChanges = 10_000;

/** The last event of a moment, and when it happened, as `drover replay` has it. */
export interface ToldEdge {
  readonly position: string;
  readonly time: string;
}
const edge = z.object({ position: text, time: z.iso.datetime() });

const actor = z.object({
  id: text,
  kind: z.enum(['token', 'agent', 'system']),
  name: text.describe('of a token or an agent').exactOptional(),
});
const state = z
  .looseObject({ state: text })
  .describe(
    'its state, and what else of it is compared, by its kind; of hooks, only tokens of scope admin see where they lead to',
  );
const changesOfKind = z.object({
  total: z.int(),
  counts: z
    .array(z.object({ from: text.nullable(), to: text.nullable(), count: z.int() }))
    .describe('how many went from one state to another; `null`: it was not there'),
  rows: z
    .array(
      z.object({
        id: text,
        name: text,
        from: state.nullable(),
        to: state.nullable(),
        event: text.describe('the event that made it what it is'),
        type: text,
        at: instant,
        by: actor,
        why: text.exactOptional(),
      }),
    )
    .describe('in the order of the events that made them what they are'),
});

const kinds = Object.values(thingKinds);

/** What is not the same at two moments, and what was done in between. */
export const changes: z.ZodType<{ ready: true; from: ToldEdge; to: ToldEdge } & Changes> = z.object({
  ready: z.literal(true),
  from: edge,
  to: edge,
  events: z.int().describe('between the two'),
  derivations: z.int().describe('those that were not known before'),
  ...(Object.fromEntries(kinds.map((kind) => [kind, changesOfKind])) as Record<ThingKind, typeof changesOfKind>),
  actors: z.object({
    total: z.int(),
    rows: z
      .array(z.object({ by: actor, events: z.int(), types: z.record(text, z.int()) }))
      .describe('what each did: events by type, most first'),
  }),
});

/** Where hooks lead to often has a secret in it. */
export function visibleChanges(all: Changes, scope: Scope): Changes {
  if (scope === 'admin') return all;
  const hide = <State extends Change['from']>(one: State) => (one === null ? one : { ...one, target: undefined });
  const rows = all.hooks.rows.map((row) => ({ ...row, from: hide(row.from), to: hide(row.to) }));
  return { ...all, hooks: { ...all.hooks, rows } };
}
