import type { HookStatus } from '../../coordinator/hooks/status.ts';
import type { HookDefinition } from '../../domain/hook/definition.ts';
import type { CacheFolderSettings } from '../../domain/hook/target.ts';
import { details, table } from './table.ts';
import { duration, relativeTime } from './text.ts';
import type { View } from './view.ts';
import { valueWithoutSecrets } from './without-secrets.ts';

export function formatHooks(hooks: readonly HookStatus[], view: View): string {
  return table(
    hooks,
    [
      { title: 'HOOK', value: (row) => row.name },
      { title: 'STATE', value: (row) => row.state, state: (row) => row.state },
      { title: 'LAG', value: lagOf },
      { title: 'IN FLIGHT', value: (row) => row.inFlight.length, minor: true },
      { title: 'FAILING', value: (row) => countOf(row, 'failing') },
      { title: 'PARKED', value: (row) => countOf(row, 'parked') },
      { title: 'DELIVERED', value: (row) => row.delivered, minor: true },
      { title: 'WAITS FOR', value: (row) => row.waits },
      { title: 'ON', value: (row) => row.definition.on.join(' '), wide: true },
      { title: 'TO', value: (row) => whereTo(row.definition.target), wide: true },
    ],
    { ...view, empty: 'No hooks yet; "drover hooks add NAME" adds one.' },
  );
}

/** Of all, where a status names the first of them; an older coordinator says nothing of it. */
function countOf(hook: HookStatus, what: 'failing' | 'parked'): number {
  return (hook as Partial<HookStatus>).counts?.[what] ?? hook[what].length;
}

/** `3 (12s)`, `3+ (12s)` where there are more that nobody has counted. */
function lagOf({ lag }: HookStatus): string {
  if (lag.events === 0 && lag.exact) return '0';
  return `${lag.events}${lag.exact ? '' : '+'} (${duration(lag.seconds * 1000)})`;
}

/** @param position of the event that its place is named by. */
export function formatHook(hook: HookStatus, view: View, position?: string): string {
  const now = view.now();
  const { on, where, target, concurrency, timeoutSeconds, retry, order } = hook.definition;
  const { after, before } = hook.place;
  const head = details([
    ['hook', hook.name],
    ['state', hook.state],
    ['waits for', hook.waits],
    ['on', on.join(' ')],
    ['where', conditionsText(where)],
    ['to', whereTo(target)],
    ['declared in', hook.source === 'config' ? 'the configuration' : 'the API'],
    ['order', order],
    ['concurrency', concurrency],
    ['timeout', duration(timeoutSeconds * 1000)],
    [
      'retry',
      retry.maxAttempts === 1
        ? '1 attempt, then it is parked'
        : `${retry.maxAttempts} attempts, ${duration(retry.baseSeconds * 1000)} to ${duration(retry.maxSeconds * 1000)} between them`,
    ],
    ['lag', lagOf(hook)],
    [
      'place',
      after === undefined && before === undefined
        ? 'the start of the log'
        : `${after === undefined ? `before ${before}` : `after ${after}`}${position === undefined ? '' : `, which is at ${position}`}`,
    ],
    ['delivered', hook.delivered],
    [
      'last failure',
      hook.lastFailure &&
        `${relativeTime(hook.lastFailure.at, now)}, ${hook.lastFailure.event}${hook.lastFailure.error === undefined ? '' : `: ${hook.lastFailure.error}`}`,
    ],
  ]);
  const flying = new Set(hook.inFlight.map(({ event }) => event));
  const errors = new Map(hook.failing.map(({ event, error }) => [event, error]));
  const rows = [
    ...hook.inFlight.map(({ event, attempt, seconds }) => ({
      event,
      how: 'in flight',
      attempts: attempt,
      more: `for ${duration(seconds * 1000)}${errors.get(event) === undefined ? '' : `, before: ${errors.get(event)}`}`,
    })),
    // One that is tried again at this moment is named above.
    ...hook.failing
      .filter(({ event }) => !flying.has(event))
      .map(({ event, attempts, error, next }) => ({
        event,
        how: 'failing',
        attempts,
        more: `${next === undefined ? '' : `again ${relativeTime(next, now)}: `}${error ?? ''}`,
      })),
    ...hook.parked.map(({ event, attempts, error }) => ({ event, how: 'parked', attempts, more: error ?? '' })),
  ];
  const events = table(
    rows,
    [
      { title: 'EVENT', value: (row) => row.event },
      { title: 'STATE', value: (row) => row.how, state: (row) => row.how },
      { title: 'ATTEMPTS', value: (row) => row.attempts },
      { title: 'WHAT', value: (row) => row.more },
    ],
    { ...view, empty: 'Nothing is in flight, fails or is parked.' },
  );
  const more = (['failing', 'parked'] as const)
    .map((what) => [what, countOf(hook, what) - hook[what].length] as const)
    .flatMap(([what, count]) => (count > 0 ? [`and ${count} more ${what}\n`] : []));
  return `${head}\n${events}${more.join('')}`;
}

/** What a hook of the configuration is, on one line and without what may be secret in it. */
export function describeHook({ on, where, target }: HookDefinition): string {
  const conditions = conditionsText(where);
  return `${on.join(' ')}${conditions === '' ? '' : ` where ${conditions}`} → ${whereTo(valueWithoutSecrets(target))}`;
}

function conditionsText(where: HookDefinition['where']): string {
  return Object.entries(where ?? {})
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join(' ');
}

type Target = HookStatus['definition']['target'];
const destinations: { readonly [Kind in Target['kind']]: (target: Extract<Target, { kind: Kind }>) => string } = {
  command: ({ run }) => (typeof run === 'string' ? run : JSON.stringify(run)),
  webhook: webhookText,
  notify({ webhook, mail }) {
    if (webhook) return `on changes ${webhookText(webhook)}`;
    return `on changes mail to ${mail?.to.join(', ')}, by ${mail?.server}${mail?.plain ? ' without TLS' : ''}${privateText(mail)}`;
  },
  'guix-data-service': (target) =>
    `the Guix Data Service ${target.url}, as build server ${target.buildServer} (token of ${target.tokenFile})${privateText(target)}`,
  publish: (target) => `${target.folder}, a binary cache of what builds make${layoutText(target)}`,
  mirror: (target) => `${target.folder}, a binary cache of all that there is${layoutText(target)}`,
};

/** Of a hook that somebody without an admin token looks at, only the kind is known. */
function whereTo(target: Target | { readonly kind: Target['kind'] }): string {
  if (Object.keys(target).length === 1)
    return target.kind === 'command' || target.kind === 'webhook' ? `a ${target.kind}` : target.kind;
  return (destinations[target.kind] as (target: unknown) => string)(target);
}

interface WebhookPlace {
  readonly url: string;
  readonly secretFile?: string | undefined;
  readonly allowPrivate?: boolean | undefined;
}
function webhookText(place: WebhookPlace): string {
  const signed = place.secretFile === undefined ? 'not signed' : `signed with ${place.secretFile}`;
  return `${place.url} (${signed})${privateText(place)}`;
}

function layoutText({ layout, compressions = ['zstd'] }: Partial<CacheFolderSettings>): string {
  return layout === 'guix-publish' ? `, for guix publish -C ${compressions.join(' -C ')}` : '';
}

function privateText(place: { readonly allowPrivate?: boolean | undefined } | undefined): string {
  return place?.allowPrivate ? ', private addresses allowed' : '';
}
