import * as z from 'zod';
import type { HookStatus } from '../../../coordinator/hooks/status.ts';
import { hookDefinition, hookPlace } from '../../../domain/hook/definition.ts';
import { type HookTarget, hookTarget, hookTargetKinds } from '../../../domain/hook/target.ts';
import type { Scope } from '../../../domain/token/events.ts';
import { instant, text } from './basics.ts';

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

/** Addresses and commands often have a secret in them, and who fails often repeats what he was called with. */
export function visibleHook(hook: HookStatus, scope: Scope): VisibleHook {
  if (scope === 'admin') return hook;
  const { target, ...definition } = hook.definition;
  const withoutError = <Failure extends { readonly error?: string }>({ error: _, ...failure }: Failure) => failure;
  return {
    ...hook,
    definition: { ...definition, target: { kind: target.kind } },
    failing: hook.failing.map(withoutError),
    parked: hook.parked.map(withoutError),
    ...(hook.lastFailure && { lastFailure: withoutError(hook.lastFailure) }),
  };
}
