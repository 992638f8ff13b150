import type { HookStatus } from '../../coordinator/hooks/status.ts';
import type { Io } from './io.ts';
import { details, table } from './table.ts';
import { duration, relativeTime } from './text.ts';

export function formatHooks(hooks: readonly HookStatus[], io: Pick<Io, 'colour' | 'now'>): string {
  return table(
    hooks,
    [
      { title: 'HOOK', value: (row) => row.name },
      { title: 'STATE', value: (row) => row.state, state: (row) => row.state },
      { title: 'LAG', value: lagOf },
      { title: 'IN FLIGHT', value: (row) => row.inFlight.length },
      { title: 'FAILING', value: (row) => row.failing.length },
      { title: 'PARKED', value: (row) => row.parked.length },
      { title: 'DELIVERED', value: (row) => row.delivered },
      { title: 'WAITS FOR', value: (row) => row.waits },
    ],
    { colour: io.colour, empty: 'No hooks yet; "drover hooks add NAME" adds one.' },
  );
}

/** `3 (12s)`, `3+ (12s)` where there are more that nobody has counted. */
function lagOf({ lag }: HookStatus): string {
  if (lag.events === 0 && lag.exact) return '0';
  return `${lag.events}${lag.exact ? '' : '+'} (${duration(lag.seconds * 1000)})`;
}

export function formatHook(hook: HookStatus, io: Pick<Io, 'colour' | 'now'>): string {
  const now = io.now();
  const { on, where, target, concurrency, timeoutSeconds, retry, order } = hook.definition;
  const { after, before } = hook.place;
  const conditions = Object.entries(where ?? {}).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  const head = details([
    ['hook', hook.name],
    ['state', hook.state],
    ['waits for', hook.waits],
    ['on', on.join(' ')],
    ['where', conditions.join(' ')],
    ['to', whereTo(target)],
    ['declared in', hook.source === 'config' ? 'the configuration' : 'the API'],
    ['order', order],
    ['concurrency', concurrency],
    ['timeout', duration(timeoutSeconds * 1000)],
    [
      'retry',
      `${retry.maxAttempts} attempts, ${duration(retry.baseSeconds * 1000)} to ${duration(retry.maxSeconds * 1000)} between them`,
    ],
    ['lag', lagOf(hook)],
    [
      'place',
      after === undefined ? (before === undefined ? 'the start of the log' : `before ${before}`) : `after ${after}`,
    ],
    ['delivered', hook.delivered],
    [
      'last failure',
      hook.lastFailure &&
        `${relativeTime(hook.lastFailure.at, now)}, ${hook.lastFailure.event}${hook.lastFailure.error === undefined ? '' : `: ${hook.lastFailure.error}`}`,
    ],
  ]);
  const rows = [
    ...hook.inFlight.map(({ event, attempt, seconds }) => ({
      event,
      how: 'in flight',
      attempts: attempt,
      more: `for ${duration(seconds * 1000)}`,
    })),
    ...hook.failing.map(({ event, attempts, error, next }) => ({
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
    { colour: io.colour, empty: 'Nothing is in flight, fails or is parked.' },
  );
  return `${head}\n${events}`;
}

/** Of a hook that somebody without an admin token looks at, only the kind is known. */
function whereTo(target: HookStatus['definition']['target'] | { readonly kind: string }): string {
  if (target.kind === 'guix-data-service' && 'url' in target)
    return `the Guix Data Service ${target.url}, as build server ${target.buildServer} (token of ${target.tokenFile})`;
  if (target.kind === 'webhook' && 'url' in target) {
    const signed = target.secretFile === undefined ? 'not signed' : `signed with ${target.secretFile}`;
    return `${target.url} (${signed}${target.allowPrivate ? ', private addresses allowed' : ''})`;
  }
  if ('run' in target) return typeof target.run === 'string' ? target.run : JSON.stringify(target.run);
  return `a ${target.kind}`;
}
