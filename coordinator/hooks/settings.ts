import { z } from 'zod';
import { identifier } from '../../domain/event.ts';
import { eventTypes } from '../../domain/events.ts';
import {
  type HookTarget,
  hookConditions,
  hookDefaults,
  hookDefinition,
  hookTarget,
} from '../../domain/hook/definition.ts';
import type { DeclaredHook } from './hooks.ts';

const [command, webhook] = hookTarget.options;
const { concurrency, timeoutSeconds, retry, order } = hookDefinition.shape;

/** Types that hooks can be for: a hook that got its own checkpoints, or those of another that got its own, would never end. */
const hookable: ReadonlySet<string> = new Set([...eventTypes.keys()].filter((type) => type !== 'HookCheckpointed'));

/** What users say of a hook, with everything that has a default left out. */
export const hookWish = {
  on: z
    .array(
      z.string().refine((type) => hookable.has(type), 'expected the type of an event, as docs/events.md lists them'),
    )
    .min(1)
    .max(200)
    .describe('Types of events that it gets.'),
  where: hookConditions.exactOptional().describe('Conditions beside the type; all have to hold.'),
  run: command.shape.run.exactOptional().describe('A command: a text for /bin/sh -c, or a program and its arguments.'),
  url: webhook.shape.url.exactOptional().describe('A webhook.'),
  secretFile: webhook.shape.secretFile.describe(
    "File on the coordinator's machine with the webhook's secret, whsec_…; without, deliveries are not signed.",
  ),
  allowPrivate: z.boolean().exactOptional().describe('Whether the webhook may be at a private address.'),
  concurrency: concurrency.default(hookDefaults.concurrency).describe('Deliveries at a time.'),
  timeoutSeconds: timeoutSeconds.default(hookDefaults.timeoutSeconds).describe('How long one delivery may take.'),
  retry: z
    .strictObject({
      maxAttempts: retry.shape.maxAttempts
        .default(hookDefaults.retry.maxAttempts)
        .describe('Deliveries of one event before it is parked.'),
      baseSeconds: retry.shape.baseSeconds
        .default(hookDefaults.retry.baseSeconds)
        .describe('Wait before the second; doubles with each further one, with jitter.'),
      maxSeconds: retry.shape.maxSeconds.default(hookDefaults.retry.maxSeconds).describe('Longest wait.'),
    })
    .prefault({}),
  order: order
    .default(hookDefaults.order)
    .describe('stream: events of one stream one after the other; all: each waits for the one before it in the log.'),
};

export const hookStart = z
  .string()
  .regex(/^(?:now|start|[0-9]{10}[0-9.]*)$/, 'expected now, start or a position of the log')
  .transform((from) => (from === 'now' || from === 'start' ? from : { after: from }));

type Wish = z.infer<z.ZodObject<typeof hookWish>>;

/** Exactly one of `run` and `url`, and what belongs to a webhook with that alone. */
export function targetProblem({
  run,
  url,
  secretFile,
  allowPrivate,
}: Pick<Wish, 'run' | 'url' | 'secretFile' | 'allowPrivate'>): string | undefined {
  if ((run === undefined) === (url === undefined)) return 'expected either run or url';
  if (url !== undefined) return undefined;
  if (secretFile !== undefined) return 'secret-file is for webhooks (url)';
  return allowPrivate === undefined ? undefined : 'allow-private is for webhooks (url)';
}

/** @param wish one without a {@link targetProblem}. */
export function definitionOf(wish: Wish): DeclaredHook['definition'] {
  const { run, url, secretFile, allowPrivate, where, ...rest } = wish;
  const target: HookTarget =
    run !== undefined
      ? { kind: 'command', run }
      : {
          kind: 'webhook',
          url: url as string,
          ...(secretFile !== undefined && { secretFile }),
          ...(allowPrivate !== undefined && { allowPrivate }),
        };
  return hookDefinition.parse({ ...rest, ...(where !== undefined && { where }), target });
}

const camel = (name: string): string => name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** Keys as the configuration has them; those of tables whose keys are the user's own are left alone. */
function withCamelKeys(value: unknown, path = ''): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || path === '.where.tags') return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => [camel(key), withCamelKeys(part, `${path}.${key}`)]),
  );
}

/** A table `[[hook]]` of the configuration. */
export const hookSettings = z.preprocess(
  (value) => withCamelKeys(value),
  z.strictObject({ name: identifier, from: hookStart.default('now'), ...hookWish }).superRefine((wish, context) => {
    const problem = targetProblem(wish);
    if (problem !== undefined) context.addIssue({ code: 'custom', path: [], message: problem });
  }),
);
export type HookSettings = z.infer<typeof hookSettings>;

export function declaredHook({ name, from, ...wish }: HookSettings): DeclaredHook {
  return { name, from, definition: definitionOf(wish) };
}
