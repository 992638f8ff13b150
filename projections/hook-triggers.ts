import { type BackOff, backOffMs } from '../domain/build/back-off.ts';
import type { Progress } from '../domain/hook/checkpoint.ts';
import { type HookDefinition, mostHeldStreams } from '../domain/hook/definition.ts';
import type { Held, HookState } from '../domain/hook/state.ts';

/** An event that a hook is to get. */
export interface Trigger {
  readonly stream: string;
  readonly revision: number;
  /** When it happened, milliseconds since the Unix epoch. */
  readonly at: number;
  /** Its position in the log, or that of the last event of its commit. */
  readonly position: string;
}

/** A stream of which something is owed. */
interface Lane<Event extends Trigger> {
  readonly stream: string;
  /** Events in memory, in order; the first is the next to be delivered, or being delivered. */
  readonly queue: Event[];
  /** Revision up to which its events have been taken into the queue, or were settled before. */
  taken: number;
  /** There are events after `taken` that are not in memory: they are read from the stream when their turn comes. */
  lacks: boolean;
  reading: boolean;
  running: boolean;
  /** How it stands with the event of `revision`, the first that is not settled. */
  revision: number;
  at: number;
  attempts: number;
  error: string | undefined;
  notBefore: number;
  parked: boolean;
}

export interface HookTriggers<Event extends Trigger> {
  /** Whether it takes more events now; one that is behind reads on only then. */
  hasRoom(): boolean;
  /**
   * The next event of the log, or a later one, that is the hook's. One that was settled or taken before is passed over; one behind
   * an event that fails is not kept in memory, but read from its stream later. @returns whether it is owed from now on.
   */
  offer(event: Event): boolean;
  /** All events up to the head of the log as it was at the start have been offered. */
  caughtUp(): void;
  /** The next event to deliver, which is in flight from now on; `undefined` where nothing is due or enough is in flight. */
  next(now: number): Event | undefined;
  /** When the next one that failed is due again. */
  dueAt(): number | undefined;
  delivered(event: Event): void;
  /** @returns whether all its attempts are used up: then it is parked. @param fraction in [0, 1), for the jitter. */
  failed(event: Event, error: string, now: number, fraction: number): 'retry' | 'park';
  /** It was not delivered, by no fault of its own, and is due at once again. */
  putBack(event: Event): void;
  /** As an operator decided. @returns false where it is in flight. */
  retry(stream: string, revision: number): boolean;
  skip(stream: string, revision: number): boolean;
  /** Streams to be read, each from a revision on, as its turn has come and its events are not in memory. Each is given out once. */
  reads(): readonly { readonly stream: string; readonly from: number }[];
  /**
   * What was read of a stream: the hook's events of it, up to `upTo` and no further than what has been offered; `more` where there
   * may be others after that.
   */
  loaded(stream: string, events: readonly Event[], upTo: number, more: boolean): void;
  define(definition: HookDefinition): void;
  /** How often the first event of the stream that is owed has failed. */
  attempts(stream: string): number;
  /** What has failed, oldest failure first. */
  ailing(): readonly Ailing[];
  /** @param head the last event of the log of which it is known that nothing after it was offered. */
  progress(head: { readonly id: string; readonly position: string } | undefined): Progress;
  status(): TriggerStatus;
}

/** An event that failed, and is due again or parked. */
export interface Ailing {
  readonly stream: string;
  readonly revision: number;
  readonly at: number;
  readonly attempts: number;
  readonly error: string | undefined;
  readonly notBefore: number;
  readonly parked: boolean;
  readonly running: boolean;
}

export interface TriggerStatus {
  /** Events in memory, those in flight included. */
  readonly queued: number;
  /** Of events that are owed and not in memory, those that are known of. */
  readonly beside: number;
  /** Whether the two are all: not where a stream was held over a start, and its events were not counted yet. */
  readonly exact: boolean;
  readonly running: number;
  readonly failing: number;
  readonly parked: number;
  /** When the oldest event that is owed happened. */
  readonly oldest: number | undefined;
  readonly lastError: string | undefined;
  /** Why it takes no further events though nothing else keeps it. */
  readonly stuck: 'parked' | 'failing' | undefined;
}

/** Events of one hook in memory at most; beyond that it reads the log when it gets there. */
export const triggerWindow = 512;
/** How many events of a stream are read at a time. */
export const readAhead = 64;

/**
 * What one hook owes, which of it is due, and what is written down of that (I10). A function of the events that are offered, in the
 * order of the log, and of what became of deliveries; bounded in memory however far the hook is behind. Order holds within a stream
 * (`order: stream`) or over all (`order: all`); an event that fails keeps back what comes after it on its stream, or at all.
 *
 * @param start position of the hook's place: what is held lies before it, or has not been offered yet; `undefined` for the start of the log.
 */
export function createHookTriggers<Event extends Trigger>(
  state: Pick<HookState, 'held'>,
  start: string | undefined,
  initial: Pick<HookDefinition, 'concurrency' | 'order' | 'retry'>,
  bounds: { readonly window: number; readonly lanes: number } = { window: triggerWindow, lanes: mostHeldStreams },
): HookTriggers<Event> {
  let { concurrency, order, retry }: { concurrency: number; order: string; retry: BackOff & { maxAttempts: number } } =
    initial;
  const lanes = new Map<string, Lane<Event>>();
  /** Lanes whose first event is in memory and due, longest waiting first. */
  const ready = new Set<Lane<Event>>();
  /** Lanes whose first event has failed or is parked. */
  const ailing = new Set<Lane<Event>>();
  const toRead = new Set<Lane<Event>>();
  /** Lanes of which it is only known how often an event failed that has not been offered yet: they take no room from it. */
  const expecting = new Set<Lane<Event>>();
  /** Of streams that were held at the start: first revision that was not settled then. Forgotten once the log has been read past it. */
  const floors = new Map<string, { readonly revision: number; readonly at: number }>();
  /** The last event in the log that is settled; without an id as long as the place has not moved. */
  let settled: { readonly id?: string; readonly position: string } = { position: start ?? '' };
  let queued = 0;
  let beside = 0;
  let running = 0;
  let uncounted = 0; // Lanes of which it is not known how much they lack.
  const dropped = new Map<Lane<Event>, number>();

  for (const [stream, held] of state.held) {
    floors.set(stream, held);
    const lane = addLane(stream, held.revision - 1);
    Object.assign(lane, { attempts: held.attempts, error: held.error, notBefore: held.notBefore ?? 0, at: held.at });
    lane.parked = held.parked;
    lane.lacks = true;
    uncount(lane);
    if (lane.attempts > 0 || lane.parked) ailing.add(lane);
    if (!lane.parked) toRead.add(lane);
  }

  function addLane(stream: string, taken: number): Lane<Event> {
    const lane: Lane<Event> = {
      stream,
      queue: [],
      taken,
      lacks: false,
      reading: false,
      running: false,
      revision: taken + 1,
      at: 0,
      attempts: 0,
      error: undefined,
      notBefore: 0,
      parked: false,
    };
    lanes.set(stream, lane);
    return lane;
  }

  function drop(lane: Lane<Event>, count: number): void {
    lane.lacks = true;
    const before = dropped.get(lane) ?? 0;
    dropped.set(lane, before + count);
    if (!Number.isNaN(before)) beside += count;
  }

  /** It is not known how much it lacks. */
  function uncount(lane: Lane<Event>): void {
    countAgain(lane);
    uncounted++;
    dropped.set(lane, Number.NaN);
  }

  /** What it lacks is being read, and counted as it comes. */
  function countAgain(lane: Lane<Event>): void {
    const before = dropped.get(lane);
    dropped.delete(lane);
    if (before === undefined) return;
    if (Number.isNaN(before)) uncounted--;
    else beside -= before;
  }

  function enqueue(lane: Lane<Event>, event: Event): void {
    lane.queue.push(event);
    expecting.delete(lane);
    lane.taken = event.revision;
    queued++;
    if (lane.queue.length > 1) return;
    if (event.revision !== lane.revision) heal(lane);
    lane.revision = event.revision;
    lane.at = event.at;
    if (!lane.parked) ready.add(lane);
  }

  /** What is first now has not failed. */
  function heal(lane: Lane<Event>): void {
    lane.attempts = 0;
    lane.error = undefined;
    lane.notBefore = 0;
    lane.parked = false;
    ailing.delete(lane);
  }

  function settleFirst(lane: Lane<Event>): void {
    const first = lane.queue.shift();
    if (first) {
      queued--;
      settle(first);
    }
    heal(lane);
    advance(lane);
  }

  function settle({ stream, revision, position }: Trigger): void {
    if (position >= settled.position) settled = { id: `${stream}@${revision}`, position };
  }

  /** Sees to what is first in the lane now. */
  function advance(lane: Lane<Event>): void {
    ready.delete(lane);
    const first = lane.queue[0];
    if (first) {
      lane.revision = first.revision;
      lane.at = first.at;
      ready.add(lane);
    } else if (lane.lacks) {
      lane.revision = lane.taken + 1;
      if (!lane.reading) toRead.add(lane);
    } else if (!lane.reading) forget(lane);
  }

  function forget(lane: Lane<Event>): void {
    countAgain(lane);
    const floor = floors.get(lane.stream);
    if (floor) floors.set(lane.stream, { ...floor, revision: lane.taken + 1 });
    ailing.delete(lane);
    toRead.delete(lane);
    expecting.delete(lane);
    ready.delete(lane);
    lanes.delete(lane.stream);
  }

  /** Keeps the first event in memory and lets go of the rest. */
  function shorten(lane: Lane<Event>): void {
    if (order === 'all' || lane.queue.length <= 1) return;
    const rest = lane.queue.splice(1);
    queued -= rest.length;
    lane.taken = lane.revision;
    drop(lane, rest.length);
  }

  function launch(lane: Lane<Event>): Event {
    ready.delete(lane);
    lane.running = true;
    running++;
    return lane.queue[0] as Event;
  }

  function stop(event: Event): Lane<Event> | undefined {
    const lane = lanes.get(event.stream);
    if (!lane?.running || lane.queue[0] !== event) return undefined;
    lane.running = false;
    running--;
    return lane;
  }

  /** In the order of the log; what has to be read yet may be anywhere in it, and keeps back all. */
  function firstOfAll(now: number): Lane<Event> | undefined {
    let first: Lane<Event> | undefined;
    for (const lane of lanes.values()) {
      const own = lane.queue[0];
      if (expecting.has(lane)) continue;
      if (own === undefined) return undefined;
      if (first === undefined || own.position < (first.queue[0] as Event).position) first = lane;
    }
    return first && ready.has(first) && first.notBefore <= now ? first : undefined;
  }

  /** Nothing is in flight or due but what has failed before. */
  function isQuiet(): boolean {
    return running === 0 && ready.isSubsetOf(ailing);
  }

  return {
    hasRoom: () => queued < bounds.window && lanes.size - expecting.size < bounds.lanes,
    offer(event) {
      const floor = floors.get(event.stream);
      if (floor && event.revision < floor.revision) {
        settle(event);
        return false;
      }
      const lane = lanes.get(event.stream) ?? addLane(event.stream, event.revision - 1);
      if (event.revision <= lane.taken) return false;
      const keepsBack = lane.lacks || lane.reading || (lane.queue.length > 0 && ailing.has(lane) && order === 'stream');
      if (keepsBack) drop(lane, 1);
      else enqueue(lane, event);
      return true;
    },
    caughtUp() {
      floors.clear();
      // What it was held for is not the hook's any more.
      for (const lane of expecting) forget(lane);
    },
    next(now) {
      if (order === 'all') {
        const lane = running === 0 ? firstOfAll(now) : undefined;
        return lane && launch(lane);
      }
      if (running >= concurrency) return undefined;
      for (const lane of ready) if (lane.notBefore <= now) return launch(lane);
      return undefined;
    },
    dueAt() {
      let due: number | undefined;
      for (const { parked, running: inFlight, queue, notBefore } of ailing)
        if (!parked && !inFlight && queue.length > 0 && (due === undefined || notBefore < due)) due = notBefore;
      return due;
    },
    delivered(event) {
      const lane = stop(event);
      if (lane) settleFirst(lane);
    },
    failed(event, error, now, fraction) {
      const lane = stop(event);
      if (!lane) return 'retry';
      lane.attempts++;
      lane.error = error;
      ailing.add(lane);
      shorten(lane);
      if (lane.attempts >= retry.maxAttempts) {
        lane.parked = true;
        return 'park';
      }
      lane.notBefore = now + backOffMs(retry, lane.attempts, fraction);
      ready.add(lane);
      return 'retry';
    },
    putBack(event) {
      const lane = stop(event);
      if (lane) ready.add(lane);
    },
    retry(stream, revision) {
      const lane = lanes.get(stream);
      if (!lane || lane.running || lane.revision !== revision) return false;
      heal(lane);
      advance(lane);
      return true;
    },
    skip(stream, revision) {
      const lane = lanes.get(stream);
      if (!lane || lane.running || lane.revision !== revision) return false;
      lane.taken = Math.max(lane.taken, revision);
      settleFirst(lane);
      return true;
    },
    reads() {
      if (toRead.size === 0) return [];
      const wanted = [...toRead].map((lane) => {
        lane.reading = true;
        lane.lacks = false;
        countAgain(lane);
        return { stream: lane.stream, from: lane.taken + 1 };
      });
      toRead.clear();
      return wanted;
    },
    loaded(stream, events, upTo, more) {
      const lane = lanes.get(stream);
      if (!lane?.reading) return;
      lane.reading = false;
      for (const event of events) {
        if (event.revision > lane.taken) enqueue(lane, event);
      }
      lane.taken = Math.max(lane.taken, upTo);
      if (more) {
        lane.lacks = true;
        uncount(lane);
      }
      if (ailing.has(lane)) shorten(lane);
      if (lane.queue.length > 0) return;
      // What failed may lie after what has been offered so far; then how often it did is kept for when it comes.
      if (lane.lacks || !ailing.has(lane) || !floors.has(stream)) advance(lane);
      else expecting.add(lane);
    },
    define(definition) {
      ({ concurrency, order, retry } = definition);
    },
    attempts: (stream) => lanes.get(stream)?.attempts ?? 0,
    ailing: () => [...ailing],
    progress(head) {
      // Then all that is not settled is held.
      if (head !== undefined && isQuiet()) settled = head;
      const held = new Map<string, Held>();
      for (const lane of lanes.values()) {
        const first = lane.queue[0];
        // What lies after `through`, and was not tried, is simply still to come.
        const isToCome = first !== undefined && first.position > settled.position;
        if (isToCome && lane.attempts === 0 && !lane.parked) continue;
        held.set(lane.stream, {
          revision: lane.revision,
          at: lane.at,
          attempts: lane.attempts,
          ...(lane.error !== undefined && { error: lane.error }),
          ...(lane.notBefore > 0 && !lane.parked && { notBefore: lane.notBefore }),
          parked: lane.parked,
        });
      }
      // Of these, something that is settled may lie after `through`.
      for (const [stream, { revision, at }] of floors)
        if (!held.has(stream))
          held.set(stream, { revision: lanes.get(stream)?.revision ?? revision, at, attempts: 0, parked: false });
      return { through: settled.id, held };
    },
    status() {
      let oldest: number | undefined;
      let lastError: string | undefined;
      let parked = 0;
      let unread = 0;
      for (const lane of lanes.values())
        if (lane.at > 0 && (oldest === undefined || lane.at < oldest)) oldest = lane.at;
      for (const lane of ailing) {
        if (lane.parked) parked++;
        // Held over a start: what comes after it is not counted, but it is owed itself.
        if (lane.parked && lane.queue.length === 0 && Number.isNaN(dropped.get(lane))) unread++;
        lastError = lane.error ?? lastError;
      }
      const isFull = ailing.size > 0 && (order === 'all' || (lanes.size >= bounds.lanes && isQuiet()));
      return {
        queued,
        beside: beside + unread,
        exact: uncounted === 0,
        running,
        failing: ailing.size - parked,
        parked,
        oldest,
        lastError,
        stuck: isFull ? (parked > 0 ? 'parked' : 'failing') : undefined,
      };
    },
  };
}
