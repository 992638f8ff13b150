import * as z from 'zod';
import { identifier } from '../../domain/event.ts';
import { bareType } from '../../domain/event-name.ts';
import { eventTypes } from '../../domain/events.ts';
import { eventId, hookConditions, hookDefaults, hookDefinition } from '../../domain/hook/definition.ts';
import {
  cacheFolderSettings,
  commandTarget,
  guixDataServiceSettings,
  type HookTarget,
  notifySettings,
  webhookTarget,
} from '../../domain/hook/target.ts';
import { withCamelKeys } from '../table-keys.ts';
import { builtInOf } from './built-ins.ts';
import type { DeclaredHook } from './hooks.ts';
import { neverMet } from './known-facts.ts';

const { concurrency, timeoutSeconds, retry, order } = hookDefinition.shape;

/** Types that hooks can be for: a hook that got its own checkpoints, or those of another that got its own, would never end. */
const hookable: ReadonlySet<string> = new Set([...eventTypes.keys()].filter((type) => type !== 'HookCheckpointed'));

/** What users say of a hook, with everything that has a default left out. */
export const hookWish = {
  on: z
    .array(
      z
        .string()
        .overwrite(bareType)
        .refine((type) => hookable.has(type), 'expected the type of an event, as docs/events.md lists them'),
    )
    .min(1)
    .max(200)
    .exactOptional()
    .describe(
      'Types of events that it gets, with `drover.` before their names or without; what is built in has types of its own, and gets all of them if absent.',
    ),
  where: hookConditions.exactOptional().describe('Conditions beside the type; all have to hold.'),
  run: commandTarget.shape.run
    .exactOptional()
    .describe('A command: a text for /bin/sh -c, or a program and its arguments.'),
  url: webhookTarget.shape.url.exactOptional().describe('A webhook.'),
  secretFile: webhookTarget.shape.secretFile.describe(
    "File on the coordinator's machine with the webhook's secret, whsec_…; without, deliveries are not signed.",
  ),
  allowPrivate: z.boolean().exactOptional().describe('Whether the webhook may be at a private address.'),
  notify: notifySettings
    .exactOptional()
    .describe(
      'Tells somebody, by a webhook or by mail, when a derivation (by name and system) breaks and when it is fixed, and nothing in between.',
    ),
  guixDataService: guixDataServiceSettings
    .exactOptional()
    .describe(
      'A Guix Data Service, which is told how builds go: its url, its number for this buildServer, and the tokenFile.',
    ),
  publish: cacheFolderSettings
    .exactOptional()
    .describe(
      'A folder that is kept as a binary cache of the outputs of builds that succeed: plain, or in the layout guix-publish with these compressions.',
    ),
  mirror: cacheFolderSettings
    .exactOptional()
    .describe('A folder that is kept as a binary cache of all that the coordinator has, in the same layouts.'),
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
  .refine(
    (from) => /^(?:now|start|[0-9]{10}[0-9.]*)$/.test(from) || eventId.safeParse(from).success,
    'expected now, start, a position of the log or the id of an event',
  )
  .transform((from) => {
    if (from === 'now' || from === 'start') return from;
    return from.includes('@') ? { event: from } : { after: from };
  });

type Wish = z.infer<z.ZodObject<typeof hookWish>>;

type TargetWish = Pick<
  Wish,
  'on' | 'where' | 'run' | 'url' | 'secretFile' | 'allowPrivate' | 'notify' | 'guixDataService' | 'publish' | 'mirror'
>;

/** Keys that say where events go, as the configuration has them. */
const targetKeys = 'run, url, notify, guix-data-service, publish, mirror';

/** Everything that the wish names as a place where events go. */
function targetsOf({
  run,
  url,
  secretFile,
  allowPrivate,
  notify,
  guixDataService,
  publish,
  mirror,
}: TargetWish): readonly HookTarget[] {
  const targets: HookTarget[] = [];
  if (run !== undefined) targets.push({ kind: 'command', run });
  if (url !== undefined)
    targets.push({
      kind: 'webhook',
      url,
      ...(secretFile !== undefined && { secretFile }),
      ...(allowPrivate !== undefined && { allowPrivate }),
    });
  if (notify !== undefined) targets.push({ kind: 'notify', ...notify });
  if (guixDataService !== undefined) targets.push({ kind: 'guix-data-service', ...guixDataService });
  if (publish !== undefined) targets.push({ kind: 'publish', ...publish });
  if (mirror !== undefined) targets.push({ kind: 'mirror', ...mirror });
  return targets;
}

/** Where the setting of a webhook belongs if it is for something that is built in and calls addresses itself. */
function belongsElsewhere(key: string, target: HookTarget): string {
  const tables = {
    notify: `notify.webhook${key === 'allow-private' ? ' and notify.mail have' : ' has'} it in the table`,
    'guix-data-service': key === 'allow-private' ? 'guix-data-service has it in the table' : undefined,
  };
  const inside = tables[target.kind as keyof typeof tables];
  const more = inside === undefined ? '' : `; ${inside}, { …, ${key} = … }`;
  return `expected ${key} with a webhook (url) alone, got it with ${keyOf(target)}${more}`;
}

/** Types whose events the conditions decide over: a folder loses items whatever they say, and a success fixes whatever failed. */
function conditionedTypes(target: HookTarget, on: readonly string[]): readonly string[] {
  if (target.kind === 'notify') return builtInOf(target)?.types ?? on;
  return target.kind === 'publish' ? on.filter((type) => !type.startsWith('StoreItem')) : on;
}

/** Exactly one target, what belongs to a webhook with that alone, and types and conditions that the target makes something of. */
function targetProblem(wish: TargetWish): string | undefined {
  const { on, where, url, secretFile, allowPrivate } = wish;
  const targets = targetsOf(wish);
  const [target] = targets;
  if (target === undefined || targets.length > 1)
    return `expected one of ${targetKeys}, got ${targets.map(keyOf).join(' and ') || 'none'}`;
  if (url === undefined && secretFile !== undefined) return belongsElsewhere('secret-file', target);
  if (url === undefined && allowPrivate !== undefined) return belongsElsewhere('allow-private', target);
  const builtIn = builtInOf(target);
  if (builtIn === undefined && on === undefined) return 'expected on, the types of events that it gets, got none';
  const other = builtIn && on?.find((type) => !builtIn.types.includes(type));
  if (other !== undefined)
    return `on: expected types that ${target.kind} knows (${builtIn?.types.join(', ')}), got ${other}`;
  const types = conditionedTypes(target, on ?? builtIn?.types ?? []);
  return types.length === 0 ? undefined : neverMet(types, where);
}

/** The key by which the configuration names a target. */
function keyOf({ kind }: HookTarget): string {
  if (kind === 'command') return 'run';
  return kind === 'webhook' ? 'url' : kind;
}

/** For schemas of a {@link Wish}. */
export function checkTarget(wish: TargetWish, context: z.core.$RefinementCtx): void {
  const problem = targetProblem(wish);
  if (problem !== undefined) context.addIssue({ code: 'custom', path: [], message: problem });
}

/** @param wish one that passes {@link checkTarget}. */
export function definitionOf(wish: Wish): DeclaredHook['definition'] {
  const { on, where, concurrency, timeoutSeconds, retry, order } = wish;
  const [target] = targetsOf(wish) as [HookTarget];
  return hookDefinition.parse({
    on: on ?? builtInOf(target)?.types,
    ...(where !== undefined && { where }),
    target,
    concurrency,
    timeoutSeconds,
    retry,
    order,
  });
}

/** A table `[[hook]]` of the configuration. */
export const hookSettings = z.preprocess(
  (value) => withCamelKeys(value),
  z.strictObject({ name: identifier, from: hookStart.optional(), ...hookWish }).superRefine(checkTarget),
);
export type HookSettings = z.infer<typeof hookSettings>;

/** Where a new hook begins of which nothing is said. */
export function usualStart({ target }: DeclaredHook['definition']): 'now' | 'start' {
  return builtInOf(target)?.from ?? 'now';
}

export function declaredHook({ name, from, ...wish }: HookSettings): DeclaredHook {
  const definition = definitionOf(wish);
  return { name, from: from ?? usualStart(definition), definition };
}
