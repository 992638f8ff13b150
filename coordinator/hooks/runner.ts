import type { Logger } from 'pino';
import { checkpointsOf } from '../../domain/hook/checkpoint.ts';
import type { HookCommand } from '../../domain/hook/decide.ts';
import { type HookDefinition, keptHookError, parseEventId } from '../../domain/hook/definition.ts';
import { type EventFacts, isFor, matchesConditions, typesOf } from '../../domain/hook/match.ts';
import {
  type Ailing,
  createHookTriggers,
  type HookTriggers,
  readAhead,
  type TriggerStatus,
} from '../../projections/hook-triggers.ts';
import type { HookRecord } from '../../projections/hooks.ts';
import type { EventStore, Position, StoredEvent } from '../ports/event-store.ts';
import type { HookOutcome, HookTransport } from '../ports/hook-transport.ts';
import type { Runtime } from '../ports/runtime.ts';
import type { Tracing } from '../tracing.ts';
import { builtInOf } from './built-ins.ts';
import { type Flight, launch } from './flight.ts';
import { type Head, justBefore, readEvent } from './places.ts';
import { type Selection, selectionOf, selectUpTo } from './selection.ts';
import type { StoredFacts } from './stored-facts.ts';

/** An event that passed a hook's conditions. Its position may be that of the last event of its commit. */
export interface MatchedEvent extends StoredEvent {
  readonly facts: EventFacts;
}

export interface RunnerSources {
  readonly hook: HookRecord;
  readonly log: Pick<EventStore, 'read' | 'readAll'>;
  readonly runtime: Runtime;
  readonly transport: HookTransport;
  readonly tracing: Pick<Tracing, 'delivery'>;
  readonly logger: Logger;
  /** Id of the log's first commit. */
  logId(): Promise<string>;
  /** Why it may not deliver at all. */
  forbidden(): string | undefined;
  readonly facts: StoredFacts;
  /** The last event that is durable, as far as this process knows. */
  head(): Head | undefined;
  /** Commits what comes of the wishes, in order. */
  write(...wishes: readonly HookCommand[]): void;
}

export type RunnerState = 'opening' | 'behind' | 'live' | 'broken' | 'stopped';

/** Delivers one hook's events: reads the log from its place on, then goes on with what becomes durable. */
export interface HookRunner {
  readonly hook: HookRecord;
  readonly state: RunnerState;
  /** Why it is broken. */
  readonly broken: string | undefined;
  /** What it gets depends on the log before: another definition needs another runner. */
  readonly isSelective: boolean;
  wants(type: string): boolean;
  /** Events of a commit that is durable now. To be called for each commit with an event of a type that it wants, in order. */
  durable(events: readonly StoredEvent[]): void;
  /** Definition or pause changed, or time for a look. */
  changed(): void;
  retry(events: readonly string[]): void;
  skip(events: readonly string[]): void;
  /** Whether the event is being delivered right now. */
  isInFlight(event: string): boolean;
  /** Writes down how far it is, soon. */
  touch(): void;
  /** The same, now. */
  writeDown(): void;
  /** Starts nothing more; resolves once nothing is in flight. */
  drain(): Promise<void>;
  /** Ends what is in flight; its outcomes count no more. Resolves once all has ended. */
  stop(): Promise<void>;
  status(): RunnerStatus;
}

export interface RunnerStatus extends TriggerStatus {
  readonly inFlight: readonly { readonly event: string; readonly attempt: number; readonly sinceMs: number }[];
  readonly ailing: readonly Ailing[];
  /** Deliveries that succeeded and are not written down yet. */
  readonly unwritten: number;
  /** When the last event that was looked at happened, where it is behind. */
  readonly examinedAt: number | undefined;
  readonly lastFailure: { readonly event: string; readonly error: string; readonly at: number } | undefined;
}

const checkpointMs = 1000;
const rereadMs = 1000;
/** Commits that may become durable while the log is read for the last time; if there are more, it is read once more. */
const mostJoining = 1000;

export function createHookRunner(sources: RunnerSources): HookRunner {
  const { hook, log, runtime, transport, tracing, logger, facts: known, head, write } = sources;
  const { clock, timers, random } = runtime;
  let state: RunnerState = 'opening';
  let broken: string | undefined;
  let draining = false;
  let logId = '';
  let triggers: HookTriggers<MatchedEvent> | undefined;
  /** Up to here the log has been looked at; empty at its start. */
  let cursor: Position = '';
  let examined: (Head & { readonly at: number }) | undefined;
  let joining: StoredEvent[][] | undefined;
  let reading = new AbortController();
  let roomMade: (() => void) | undefined;
  let wanted: ReadonlySet<string> = new Set(wantedTypes());
  let selection: Selection | undefined;
  /** Of a selection: what changed by the events that are owed. It is known when they come by in the order of the log, and not after. */
  const changes = new Map<string, EventFacts['change']>();
  let delivered = 0;
  let lastFailure: RunnerStatus['lastFailure'];
  let retryTimer: Disposable | undefined;
  let checkpointTimer: Disposable | undefined;
  const inFlight = new Map<MatchedEvent, Flight & { readonly attempt: number }>();
  const idle: (() => void)[] = [];

  // Waits go by the monotonic clock from here on, whatever the clock does.
  const begun = { wall: clock.now(), monotonic: clock.monotonic() };
  const now = (): number => Math.round(begun.wall + clock.monotonic() - begun.monotonic);

  function definition(): HookDefinition {
    return hook.state.definition as HookDefinition;
  }
  const isStopped = (): boolean => state === 'stopped';

  function wantedTypes(): readonly string[] {
    const builtIn = builtInOf(definition().target);
    return builtIn?.changesOnly ? builtIn.types : typesOf(definition());
  }

  /** The event with what is known of it, if it is one of the hook's. */
  function match(event: StoredEvent): MatchedEvent | undefined {
    if (!wanted.has(event.type)) return undefined;
    const facts = known.of(event);
    if (selection) {
      const change = changes.get(idOf(event));
      return change && { ...event, facts: { ...facts, change } };
    }
    return isFor(definition(), hook.name, event, facts) ? { ...event, facts } : undefined;
  }

  /** Nothing but an operator can set it going. */
  function giveUp(problem: string): void {
    state = 'broken';
    broken = problem;
    logger.error({ hook: hook.name }, `the hook ${hook.name} cannot go on: ${problem}`);
  }

  async function open(): Promise<void> {
    const forbidden = sources.forbidden();
    if (forbidden !== undefined) return giveUp(forbidden);
    logId = await sources.logId();
    const { after, before } = hook.state.place;
    const id = after ?? before;
    let first: StoredEvent | undefined;
    if (id !== undefined) {
      first = await readEvent(log, id);
      if (first === undefined) return giveUp(`its place, the event ${id}, is not in this log`);
      cursor = after === undefined ? justBefore(first.position) : first.position;
      if (after !== undefined) examined = { id, position: first.position, at: first.at };
    }
    if (isStopped()) return;
    selection = selectionOf(definition(), known.of);
    if (selection && id !== undefined)
      for await (const event of selectUpTo(selection, known, log, cursor, reading.signal))
        if (event.revision >= (hook.state.held.get(event.stream)?.revision ?? Number.POSITIVE_INFINITY))
          changes.set(idOf(event), event.facts.change);
    if (isStopped()) return;
    // No wait is longer than its own longest, whatever the clock said when it was written down.
    const latest = now() + definition().retry.maxSeconds * 1000;
    const held = new Map(
      [...hook.state.held].map(([stream, one]) => [
        stream,
        one.notBefore === undefined ? one : { ...one, notBefore: Math.min(one.notBefore, latest) },
      ]),
    );
    triggers = createHookTriggers<MatchedEvent>({ held }, id === undefined ? undefined : cursor, definition());
    if (before !== undefined && first) {
      await known.recall([first]);
      take(first);
    }
    state = 'behind';
    await catchUp();
  }

  function take(event: StoredEvent): void {
    const matched = selection && wanted.has(event.type) ? selection.take(event) : match(event);
    if (matched && triggers?.offer(matched) && selection) changes.set(idOf(matched), matched.facts.change);
    cursor = event.position;
    examined = { id: `${event.stream}@${event.revision}`, position: event.position, at: event.at };
  }

  async function room(signal: AbortSignal): Promise<void> {
    while (triggers?.hasRoom() === false && !signal.aborted) {
      pump();
      if (triggers.hasRoom()) return;
      await new Promise<void>((resolve) => {
        roomMade = resolve;
      });
    }
  }

  /** Reads the log until it has seen all that is durable, then goes on live. */
  async function catchUp(): Promise<void> {
    const { signal } = reading;
    for (;;) {
      await room(signal);
      if (signal.aborted) return;
      joining = [];
      const wish = { filter: { types: [...wanted] }, signal, ...(cursor !== '' && { after: cursor }) };
      for await (const batch of log.readAll(wish)) {
        await known.recall(batch.events);
        for (const stored of batch.events) {
          if (signal.aborted) return;
          take(stored);
          if (triggers?.hasRoom() === false) await room(signal);
        }
        if (signal.aborted) return;
        cursor = batch.checkpoint;
        pump();
      }
      if (signal.aborted) return;
      // What came meanwhile, of which the farm may have forgotten something by now; and what comes while that is looked up.
      while (joining !== undefined && joining.length > 0) {
        const since: StoredEvent[][] = joining;
        joining = [];
        await known.recall(since.flat());
        if (signal.aborted) return;
        for (const events of since)
          if ((events[0] as StoredEvent).position > cursor) for (const event of events) take(event);
      }
      if (joining === undefined) continue;
      joining = undefined;
      state = 'live';
      triggers?.caughtUp();
      return pump();
    }
  }

  function fallBehind(): void {
    state = 'behind';
    run(catchUp());
  }

  /** What goes wrong in reading is tried again from where it was: the log may be away for a moment. */
  function run(work: Promise<void>): void {
    const { signal } = reading;
    work.catch((error: Error) => {
      if (signal.aborted) return;
      joining = undefined;
      logger.warn({ hook: hook.name, err: error }, `the hook ${hook.name} could not read the log and tries again`);
      timers.after(rereadMs, () => {
        if (!signal.aborted) run(triggers === undefined ? open() : catchUp());
      });
    });
  }

  function pump(): void {
    if (triggers === undefined || isStopped()) return;
    // What is not due now may be a moment later: the wait for it begins at the same time.
    const at = now();
    if (!draining && hook.state.status === 'active')
      for (let event = triggers.next(at); event; event = triggers.next(at)) deliver(event);
    for (const wish of triggers.reads()) void readStream(wish.stream as StoredEvent['stream'], wish.from);
    arm(at);
    if (roomMade && triggers.hasRoom()) {
      const tell = roomMade;
      roomMade = undefined;
      tell();
    }
  }

  function arm(at: number): void {
    retryTimer?.[Symbol.dispose]();
    const due = draining || hook.state.status !== 'active' ? undefined : triggers?.dueAt();
    // What is due already, and was not begun, waits for another to end, which comes by here.
    const wait = due === undefined ? 0 : due - at;
    retryTimer = wait > 0 ? timers.after(wait, pump) : undefined;
  }

  async function readStream(stream: StoredEvent['stream'], from: number): Promise<void> {
    const found: MatchedEvent[] = [];
    let upTo = from - 1;
    let more = false;
    try {
      for await (const stored of log.read(stream, { from, limit: readAhead + 1 })) {
        // What has not been offered yet comes in its turn.
        if (stored.position > cursor) break;
        more = upTo - from + 1 >= readAhead;
        if (more) break;
        upTo = stored.revision;
        await known.recall([stored]);
        const matched = match(stored);
        if (matched) found.push(matched);
      }
    } catch (error) {
      logger.warn({ hook: hook.name, err: error }, `the hook ${hook.name} could not read ${stream} and tries again`);
      timers.after(rereadMs, () => {
        triggers?.loaded(stream, [], from - 1, true);
        pump();
      });
      return;
    }
    triggers?.loaded(stream, found, upTo, more);
    pump();
  }

  function deliver(event: MatchedEvent): void {
    const { target, timeoutSeconds, where } = definition();
    // It was changed in the meantime.
    if (!selection && !isFor(definition(), hook.name, event, event.facts)) return triggers?.delivered(event);
    const id = idOf(event);
    const attempt = (triggers?.attempts(event.stream) ?? 0) + 1;
    const { facts, position: _, ...rest } = event;
    const wanted = matchesConditions(where, facts);
    const traced = tracing.delivery(hook.name, target.kind, rest, attempt);
    const { traceparent } = traced;
    const delivery = {
      hook: hook.name,
      target,
      log: logId,
      event: rest,
      facts,
      wanted,
      begun: hook.state.begun,
      attempt,
      ...(traceparent !== undefined && { traceparent }),
    };
    const flight = launch(transport, runtime, delivery, timeoutSeconds);
    inFlight.set(event, { ...flight, attempt });
    void flight.outcome.then((outcome) => {
      inFlight.delete(event);
      traced.ended(outcome);
      if (!isStopped()) settle(event, id, outcome);
      if (inFlight.size === 0) for (const resolve of idle.splice(0)) resolve();
    });
  }

  function settle(event: MatchedEvent, id: string, outcome: HookOutcome): void {
    if (triggers === undefined) return;
    if (outcome.ok) {
      triggers.delivered(event);
      changes.delete(id);
      delivered++;
    } else {
      const error = oneLine(outcome.error);
      lastFailure = { event: id, error, at: clock.now() };
      const attempts = triggers.attempts(event.stream) + 1;
      logger.warn({ hook: hook.name, event: id, attempts }, `the hook ${hook.name} failed at ${id}: ${error}`);
      if (triggers.failed(event, error, now(), random.fraction()) === 'park') park(event, id, error, attempts);
    }
    touch();
    pump();
  }

  function park(event: MatchedEvent, id: string, error: string, attempts: number): void {
    write(...checkpoints(), { type: 'park', parking: { event: id, at: event.at, attempts, error } });
    logger.error(
      { hook: hook.name, event: id, attempts },
      `the hook ${hook.name} gave ${id} up after ${attempts} attempts: it is parked, and what follows it on its stream waits; 'drover hooks retry-parked ${hook.name}' or 'skip' go on`,
    );
  }

  /** How far it is, to be written down. */
  function checkpoints(): HookCommand[] {
    if (triggers === undefined) return [];
    const place = state === 'live' ? later(head(), examined) : examined;
    const all = checkpointsOf(hook.state, triggers.progress(place), delivered);
    delivered = 0;
    return all.map((checkpoint) => ({ type: 'checkpoint', checkpoint }));
  }

  function touch(): void {
    checkpointTimer ??= timers.after(checkpointMs, () => {
      checkpointTimer = undefined;
      if (!isStopped()) write(...checkpoints());
    });
  }

  run(open());

  return {
    hook,
    get state() {
      return state;
    },
    get broken() {
      return broken;
    },
    get isSelective() {
      return selection !== undefined;
    },
    wants: (type) => wanted.has(type),
    durable(events) {
      if (state !== 'live') {
        if (joining && joining.length >= mostJoining) joining = undefined;
        joining?.push([...events]);
        return;
      }
      if (triggers?.hasRoom() === false) return fallBehind();
      try {
        // The farm is ahead of the log, and may have forgotten already what becomes durable only now.
        if (!events.every((event) => !wanted.has(event.type) || known.isHeld(event))) return fallBehind();
        for (const event of events) take(event);
        pump();
      } catch (error) {
        // A bug here is no reason to stop the farm, and loses nothing: the log has it all.
        logger.error({ hook: hook.name, err: error }, `the hook ${hook.name} reads again what it could not take`);
        fallBehind();
      }
    },
    changed() {
      triggers?.define(definition());
      const types = wantedTypes();
      const isOther = types.length !== wanted.size || types.some((type) => !wanted.has(type));
      wanted = new Set(types);
      // A reading that leaves out what is wanted now begins again where it is.
      if (isOther && state === 'behind') {
        reading.abort();
        reading = new AbortController();
        joining = undefined;
        roomMade?.();
        run(catchUp());
      }
      pump();
    },
    retry(events) {
      for (const { stream, revision } of events.map(parseEventId)) triggers?.retry(stream, revision);
      touch();
      pump();
    },
    skip(events) {
      for (const id of events) {
        const { stream, revision } = parseEventId(id);
        if (triggers?.skip(stream, revision)) changes.delete(id);
      }
      touch();
      pump();
    },
    isInFlight(id) {
      const { stream, revision } = parseEventId(id);
      return [...inFlight.keys()].some((event) => event.stream === stream && event.revision === revision);
    },
    touch,
    writeDown: () => write(...checkpoints()),
    async drain() {
      draining = true;
      if (inFlight.size > 0) await new Promise<void>((resolve) => idle.push(resolve));
    },
    async stop() {
      state = 'stopped';
      reading.abort();
      roomMade?.();
      retryTimer?.[Symbol.dispose]();
      checkpointTimer?.[Symbol.dispose]();
      for (const flight of inFlight.values()) flight.abort();
      if (inFlight.size > 0) await new Promise<void>((resolve) => idle.push(resolve));
    },
    status() {
      const none = { queued: 0, beside: 0, exact: false, running: 0, failing: 0, parked: 0 } as const;
      return {
        ...(triggers?.status() ?? { ...none, oldest: undefined, lastError: undefined, stuck: undefined }),
        inFlight: [...inFlight].map(([{ stream, revision }, { since, attempt }]) => ({
          event: `${stream}@${revision}`,
          attempt,
          sinceMs: clock.monotonic() - since,
        })),
        ailing: triggers?.ailing() ?? [],
        unwritten: delivered,
        examinedAt: state === 'live' ? undefined : examined?.at,
        lastFailure,
      };
    },
  };
}

function idOf({ stream, revision }: Pick<StoredEvent, 'stream' | 'revision'>): string {
  return `${stream}@${revision}`;
}

function later(a: Head | undefined, b: Head | undefined): Head | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a.position >= b.position ? a : b;
}

/** What fits into an event, whatever a receiver said. */
function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out.
  const line = text.replace(/[\u0000-\u001f\u007f]+/g, ' ').trim();
  return line.length <= keptHookError ? line : `${line.slice(0, keptHookError - 1)}…`;
}
