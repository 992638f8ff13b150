import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { jsonEvent, NO_STREAM } from '@eventstore/db-client';
import { EventStoreError } from '../../../coordinator/ports/event-store.ts';
import { type Connection, drain, type Link, within } from './connection.ts';
import { isConflict } from './errors.ts';
import type { LogReader } from './log-reader.ts';
import { leaseTypePrefix, type ServerRecord } from './record.ts';

/**
 * The right to write: the newest event of the lease stream says who has it. `…Taken` starts an epoch, which is the
 * revision of that event and goes into every commit's metadata as the fencing token; `…Renewed` prolongs it; `…Released`
 * ends it. Every one is appended with the revision before it expected, so of two that want the lease one gets it.
 *
 * The holder counts its time from before it asks, and stops a fifth early; whoever waits counts from after it has seen
 * the newest event. So no two clocks have to agree for the lease itself.
 */
export interface Lease {
  /** The fencing token; `undefined` where there is no lease. */
  readonly epoch: number | undefined;
  /** Milliseconds for which the holder may still start appends; 0 or less: it has to renew first. */
  remaining(): number;
  /** The end of the lease by this machine's clock: the server refuses appends that reach it later. */
  endsAt(): number;
  /** Whether it is time to renew. */
  due(): boolean;
  /** One try to renew; throws `lease-lost` if somebody else has it, and the client's errors. */
  renew(link: Link): Promise<void>;
  /** Lets the next one start at once. One try. */
  release(link: Link): Promise<void>;
}

export interface LeaseOptions {
  readonly connection: Connection;
  readonly reader: LogReader;
  /** The lease stream: no `-` in it, so that it is no stream of the port and belongs to no category. */
  readonly stream: string;
  readonly holder: string;
  readonly seconds: number;
  readonly callMilliseconds: number;
}

interface LeaseEvent {
  readonly id: string;
  readonly revision: number;
  readonly type: string;
  readonly holder: string;
  readonly epoch: number;
  readonly seconds: number;
}

/** For stores that write beside each other: the expected revisions alone guard each stream. */
export const sharedLease: Lease = {
  epoch: undefined,
  remaining: () => Number.POSITIVE_INFINITY,
  endsAt: () => Number.POSITIVE_INFINITY,
  due: () => false,
  renew: () => Promise.resolve(),
  release: () => Promise.resolve(),
};

/** One event for the lease stream, tried until its answer comes. */
interface Change {
  readonly id: string;
  /** When it was first tried, by the monotonic clock and by the other. */
  asked?: { readonly at: number; readonly clock: number };
}
const newChange = (): Change => ({ id: randomUUID() });

/** Old events of the lease stream are of no use; the server may drop them when it scavenges. */
const keptEvents = 20;

/** Takes the lease. Waits for the end of another's that is not renewed any more; throws `in-use` if it is renewed. */
export async function takeLease(options: LeaseOptions): Promise<Lease> {
  const { connection, reader, stream, holder, seconds, callMilliseconds } = options;

  function decode(record: ServerRecord): LeaseEvent {
    const data = record.data as Partial<Record<string, unknown>> | null;
    const { holder, epoch, seconds } = data ?? {};
    if (typeof holder !== 'string' || typeof epoch !== 'number' || typeof seconds !== 'number' || !(seconds > 0)) {
      throw new EventStoreError(
        'damaged',
        `Event store ${connection.where}: expected holder, epoch and seconds in ${stream}@${record.revision}, got ${JSON.stringify(data)}`,
      );
    }
    return { id: record.id, revision: Number(record.revision), type: record.type, holder, epoch, seconds };
  }
  async function newest(link: Link): Promise<LeaseEvent | undefined> {
    let found: LeaseEvent | undefined;
    for await (const record of reader.stream(link, stream, { backward: true, count: 1 })) found = decode(record);
    return found;
  }
  async function append(link: Link, what: string, id: string, expected: number, epoch: number, milliseconds: number) {
    const event = jsonEvent({ id, type: `${leaseTypePrefix}${what}`, data: { holder, epoch, seconds } });
    await within(
      callMilliseconds,
      link.client.appendToStream(stream, event, {
        requiresLeader: true,
        expectedRevision: expected < 0 ? NO_STREAM : BigInt(expected),
        deadline: milliseconds,
      }),
    );
  }
  function inUse(by: LeaseEvent): EventStoreError {
    return new EventStoreError(
      'in-use',
      `Event store ${connection.where}: it is being written to by ${by.holder} (lease ${by.epoch} of ${by.seconds} s). Stop that one first; only one coordinator may write`,
    );
  }
  /** Resolves with the newest lease event once nobody holds the lease any more. */
  async function waitUntilFree(link: Link): Promise<number> {
    const found = await newest(link);
    if (!found) return -1;
    if (found.type === `${leaseTypePrefix}Released`) return found.revision;
    const stop = new AbortController();
    const watching = link.client.subscribeToStream(stream, {
      requiresLeader: true,
      fromRevision: BigInt(found.revision),
    });
    const changed = async () => {
      for await (const { event } of drain(watching, AbortSignal.any([stop.signal, link.gone, connection.closing]))) {
        if (event && Number(event.revision) > found.revision) return decode(event as ServerRecord);
      }
      throw new Error('the server ended the subscription');
    };
    const expired = sleep(found.seconds * 1000, undefined, { signal: stop.signal });
    const watched = changed();
    watched.catch(() => {});
    expired.catch(() => {});
    try {
      const next = await Promise.race([watched, expired]);
      if (!next) return found.revision;
      if (next.type !== `${leaseTypePrefix}Released`) throw inUse(next);
      return next.revision;
    } finally {
      stop.abort();
    }
  }

  const giveUpAt = performance.now() + 2 * callMilliseconds;
  let head = await connection.run(waitUntilFree, () => giveUpAt);
  const epoch = head + 1;
  let askedAt = 0;
  let askedAtClock = 0;

  /**
   * Appends with an id of its own, so that a try whose answer was lost is recognised. The lease counts from the first
   * try, because whoever waits for its end may have seen what that one stored.
   */
  async function move(
    link: Link,
    what: string,
    change: Change,
    lost: (by: LeaseEvent) => EventStoreError,
  ): Promise<void> {
    change.asked ??= { at: performance.now(), clock: Date.now() };
    try {
      await append(link, what, change.id, head, epoch, callMilliseconds);
    } catch (error) {
      if (!isConflict(error)) throw error;
      const found = await newest(link);
      if (!found) throw error;
      if (found.id !== change.id) throw lost(found);
    }
    head++;
    askedAt = change.asked.at;
    askedAtClock = change.asked.clock;
  }

  const taking = newChange();
  await connection.run(
    (link) => move(link, 'Taken', taking, inUse),
    () => (taking.asked?.at ?? 0) + 2 * callMilliseconds,
  );
  if (epoch === 0) {
    const link = await connection.link();
    // Only saves space, and may be forbidden by an access control list.
    await within(callMilliseconds, link.client.setStreamMetadata(stream, { maxCount: keptEvents })).catch(() => {});
  }

  const usable = seconds * 1000 * 0.8;
  const lost = (by: LeaseEvent) =>
    new EventStoreError(
      'lease-lost',
      `Event store ${connection.where}: the lease ${epoch} of ${holder} ran out and ${by.holder} has taken over (lease ${by.epoch}). Nothing was written since; start again`,
    );
  let renewal = newChange();
  return {
    epoch,
    // Both clocks: the monotonic one may stand still while a machine is suspended, the other may be set back.
    remaining: () => usable - Math.max(performance.now() - askedAt, Date.now() - askedAtClock),
    endsAt: () => askedAtClock + usable,
    due: () => performance.now() - askedAt >= (seconds * 1000) / 4 || Date.now() - askedAtClock >= usable,
    async renew(link) {
      await move(link, 'Renewed', renewal, lost);
      renewal = newChange();
    },
    async release(link) {
      await move(link, 'Released', newChange(), lost);
    },
  };
}
