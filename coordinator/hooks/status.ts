import type { HookDefinition, HookPlace } from '../../domain/hook/definition.ts';
import type { HookRecord } from '../../projections/hooks.ts';
import type { HookRunner } from './runner.ts';

/** A hook as operators see it: what it owes, what it does, and what it waits for. Instants are milliseconds since the Unix epoch. */
export interface HookStatus {
  readonly name: string;
  readonly state: 'active' | 'paused' | 'broken';
  readonly source: 'api' | 'config';
  readonly definition: HookDefinition;
  /** As it is written down: everything up to there is settled, but what fails or is parked. */
  readonly place: HookPlace;
  /** What it waits for, in words; absent where it has nothing to do, or does it. */
  readonly waits?: string;
  readonly lag: {
    /** Events that it owes. */
    readonly events: number;
    /** Whether these are all: not where it reads the log from further back. */
    readonly exact: boolean;
    /** Age of the oldest that it owes. */
    readonly seconds: number;
  };
  readonly delivered: number;
  readonly inFlight: readonly { readonly event: string; readonly attempt: number; readonly seconds: number }[];
  /** The first of them; `counts` has how many there are. */
  readonly failing: readonly FailingEvent[];
  readonly parked: readonly FailingEvent[];
  readonly counts: { readonly failing: number; readonly parked: number };
  /** Its error is left out for whoever may not see where the hook leads to. */
  readonly lastFailure?: { readonly event: string; readonly error?: string; readonly at: number };
}

export interface FailingEvent {
  readonly event: string;
  readonly at: number;
  readonly attempts: number;
  readonly error?: string;
  /** When it is delivered again. */
  readonly next?: number;
}

/** How many events that fail, or are parked, a status names. */
const namedEvents = 100;

export function statusOf({ hook, state, broken, status }: HookRunner, now: number): HookStatus {
  const current = status();
  const { inFlight, ailing, unwritten, lastFailure } = current;
  const oldest = current.oldest ?? current.examinedAt;
  const name = ({
    stream,
    revision,
    at,
    attempts,
    error,
    notBefore,
    parked,
  }: (typeof ailing)[number]): FailingEvent => ({
    event: `${stream}@${revision}`,
    at,
    attempts,
    ...(error !== undefined && { error }),
    ...(!parked && notBefore > 0 && { next: notBefore }),
  });
  const { definition, source, place, delivered, status: wish, reason } = hook.state;
  const waits = broken ?? (wish === 'paused' ? pausedFor(reason) : waitOf(state, current, definition?.order));
  return {
    name: hook.name,
    state: broken === undefined ? (wish === 'paused' ? 'paused' : 'active') : 'broken',
    source,
    definition: definition as HookDefinition,
    place,
    ...(waits !== undefined && { waits }),
    lag: {
      events: current.queued + current.beside,
      exact: current.exact && state === 'live',
      seconds: oldest === undefined ? 0 : Math.max(0, Math.round((now - oldest) / 1000)),
    },
    delivered: delivered + unwritten,
    inFlight: inFlight.map(({ event, attempt, sinceMs }) => ({ event, attempt, seconds: Math.round(sinceMs / 1000) })),
    failing: ailing
      .filter(({ parked }) => !parked)
      .slice(0, namedEvents)
      .map(name),
    parked: ailing
      .filter(({ parked }) => parked)
      .slice(0, namedEvents)
      .map(name),
    counts: { failing: current.failing, parked: current.parked },
    ...(lastFailure !== undefined && { lastFailure }),
  };
}

/** As far as it is written down: which events it owes, only its runner knows. */
export function statusWithoutRunner({ name, state }: HookRecord): HookStatus {
  const { status, definition, source, place, delivered, held, reason } = state;
  const ailing = (wanted: boolean): FailingEvent[] =>
    [...held]
      .filter(([, { parked, attempts }]) => parked === wanted && (parked || attempts > 0))
      .map(([stream, { revision, at, attempts, error, notBefore }]) => ({
        event: `${stream}@${revision}`,
        at,
        attempts,
        ...(error !== undefined && { error }),
        ...(!wanted && notBefore !== undefined && notBefore > 0 && { next: notBefore }),
      }));
  const [failing, parked] = [ailing(false), ailing(true)];
  return {
    name,
    state: status === 'paused' ? 'paused' : 'active',
    source,
    definition: definition as HookDefinition,
    place,
    ...(status === 'paused' && { waits: pausedFor(reason) }),
    lag: { events: failing.length + parked.length, exact: false, seconds: 0 },
    delivered,
    inFlight: [],
    failing: failing.slice(0, namedEvents),
    parked: parked.slice(0, namedEvents),
    counts: { failing: failing.length, parked: parked.length },
  };
}

function pausedFor(reason: string | undefined): string {
  return reason === undefined ? 'it is paused' : `it is paused: ${reason}`;
}

/** What keeps it, the most serious first. */
function waitOf(
  state: HookRunner['state'],
  { stuck, parked, failing, inFlight, queued }: ReturnType<HookRunner['status']>,
  order: string | undefined,
): string | undefined {
  const all =
    order === 'all' ? 'all that comes after it waits' : 'so many streams wait that it takes no further events';
  if (stuck === 'parked') return `${events(parked)} parked, and ${all}, until an operator retries or skips`;
  if (stuck === 'failing') return `${events(failing)} failing, and ${all}`;
  if (parked > 0)
    return `${events(parked)} parked: what follows on the same stream waits until an operator retries or skips`;
  if (failing > 0) return `${events(failing)} failing and tried again`;
  if (state === 'opening' || state === 'behind') return 'it reads the log from its place on';
  const oldest = Math.max(0, ...inFlight.map(({ sinceMs }) => sinceMs));
  return queued > inFlight.length && oldest > 1000
    ? `deliveries that take ${Math.round(oldest / 1000)} s so far`
    : undefined;
}

function events(count: number): string {
  return count === 1 ? '1 event is' : `${count} events are`;
}
