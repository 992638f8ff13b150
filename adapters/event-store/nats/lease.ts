import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { type KV, type KvEntry, nanos, StorageType } from 'nats';
import * as z from 'zod';
import { EventStoreError } from '../../../coordinator/ports/event-store.ts';
import { type Connection, requestTimeout } from './connection.ts';
import { isConflict, toStoreError } from './errors.ts';
import type { AskCluster } from './forming.ts';
import type { LogSettings } from './stream-config.ts';

/**
 * The right to write, held by one: an entry of a key-value bucket that goes by itself unless it is renewed. It says who writes and
 * lets another start after that one is gone; that two never write is guaranteed by the log itself (see pipeline.ts).
 */
export interface Lease extends AsyncDisposable {
  /** Grows from holder to holder; part of every commit. */
  readonly fence: number;
  readonly holder: string;
  /** Whether it can be relied on at this moment. */
  valid(): boolean;
  /** Makes it valid again after a time without the server, or rejects: `lease-lost` for ever, anything else for now. */
  assure(): Promise<void>;
}

export interface LeaseOptions {
  readonly log: string;
  /** Name for people, for example `drover on build-host`. */
  readonly holder: string;
  readonly seconds: number;
  readonly settings: LogSettings;
  /** How the bucket is opened. */
  readonly ask: AskCluster;
  /** Called once, when it is lost for good. */
  readonly onLost: (error: EventStoreError) => void;
}

const holderValue = z.object({
  instance: z.string(),
  holder: z.string(),
  host: z.string(),
  pid: z.number(),
  since: z.string(),
  /** How long it holds without a renewal; absent where an older version wrote it. */
  seconds: z.number().optional(),
});
type HolderValue = z.infer<typeof holderValue>;

const key = 'writer';
const delay = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const clock = () => performance.now();

export const leaseBucket = (log: string): string => `drover-lease-${log}`;

/**
 * Waits for an entry that nobody renews any more to go, at most as long as it lives; rejects with `in-use` as soon as its holder shows
 * that it is alive by renewing it.
 */
export async function acquireLease(connection: Connection, options: LeaseOptions): Promise<Lease> {
  const self: HolderValue = {
    instance: randomUUID(),
    holder: options.holder,
    host: hostname(),
    pid: process.pid,
    since: new Date().toISOString(),
    seconds: options.seconds,
  };
  const value = JSON.stringify(self);
  const { kv, ttl: before } = await openBucket(connection, options);

  let revision = await takeEntry(kv, value, before);
  const ttl = await setTtl(connection, options, before);
  let fence = revision;
  let deadline = clock() + ttl;
  /** Whether the server answered our last renewal and has been connected since. */
  let inTouch = true;
  let lost: EventStoreError | undefined;
  let timer: NodeJS.Timeout | undefined;
  let renewing: Promise<void> | undefined;
  let closed = false;

  function lose(why: string): EventStoreError {
    clearTimeout(timer);
    if (!lost) {
      lost = new EventStoreError(
        'lease-lost',
        `The lease on the log ${options.log} is lost: ${why}. This coordinator writes nothing more`,
      );
      options.onLost(lost);
    }
    return lost;
  }

  const loseAsleep = (ms: number) =>
    lose(`this process stood still for ${(ms / 1000).toFixed(1)} s, longer than the lease of ${options.seconds} s`);

  /** Past the deadline although the server answered all the time: it was this process that stood still. */
  function checkAwake(): void {
    if (inTouch && clock() > deadline) throw loseAsleep(clock() - deadline + ttl);
  }

  /**
   * An answer, or `lease-lost` where this process stood still for longer than the lease while it waited: the question may have been given up
   * then as if the server were away.
   */
  async function ask<T>(question: () => Promise<T>): Promise<T> {
    let awake = clock();
    const look = () => {
      const stood = clock() - awake;
      awake = clock();
      if (stood > ttl) loseAsleep(stood);
    };
    const ticks = setInterval(look, ttl / 10);
    return connection.answer(question).finally(() => {
      clearInterval(ticks);
      look();
      if (lost) throw lost;
    });
  }

  async function renewEntry(): Promise<void> {
    const asked = clock();
    try {
      revision = await ask(() => kv.update(key, value, revision));
    } catch (error) {
      if (!isConflict(error)) throw error;
      await retake();
    }
    deadline = asked + ttl;
    inTouch = true;
  }

  /** The entry is not as we left it: gone after a long time without a server, or an answer to a renewal of ours was lost. */
  async function retake(): Promise<void> {
    try {
      revision = await ask(() => kv.create(key, value));
      fence = revision;
    } catch (error) {
      if (!isConflict(error)) throw error;
      const entry = await ask(() => kv.get(key));
      const holder = entry ? parseHolder(entry) : undefined;
      if (entry && holder?.instance === self.instance) {
        revision = await ask(() => kv.update(key, value, entry.revision));
      } else throw lose(`it is held by ${describe(holder)}`);
    }
  }

  function renew(): Promise<void> {
    renewing ??= (async () => {
      try {
        if (lost) throw lost;
        checkAwake();
        await renewEntry();
      } catch (error) {
        if (lost) throw lost;
        inTouch = false;
        throw toStoreError(error, 'renewing the lease');
      } finally {
        renewing = undefined;
        if (!closed && !lost) schedule();
      }
    })();
    return renewing;
  }

  function schedule(): void {
    clearTimeout(timer);
    const soon = inTouch ? ttl / 3 : Math.min(ttl / 10, 500);
    timer = setTimeout(() => void renew().catch(() => {}), soon);
  }

  const unwatch = connection.onChange((connected) => {
    if (closed || lost) return;
    try {
      checkAwake();
    } catch {
      return;
    }
    if (connected) void renew().catch(() => {});
    else inTouch = false;
  });
  schedule();

  return {
    get fence() {
      return fence;
    },
    holder: options.holder,
    valid: () => !lost && clock() < deadline,
    async assure() {
      if (lost) throw lost;
      if (clock() < deadline) return;
      await renew();
    },
    async [Symbol.asyncDispose]() {
      if (closed) return;
      closed = true;
      clearTimeout(timer);
      unwatch();
      await renewing?.catch(() => {});
      if (lost || connection.obstacle) return;
      // Removed without a trace, so that the next one can take it by create(), which is exclusive on every version.
      await connection.jsm.streams
        .purge(`KV_${leaseBucket(options.log)}`, {
          filter: `$KV.${leaseBucket(options.log)}.${key}`,
          seq: revision + 1,
        })
        .catch(() => {});
    },
  };
}

/** The bucket, and how long its entries live: what the last holder wanted, in milliseconds. */
async function openBucket(
  connection: Connection,
  { log, seconds, settings, ask }: LeaseOptions,
): Promise<{ readonly kv: KV; readonly ttl: number }> {
  const bucket = leaseBucket(log);
  const { views } = connection.nc.jetstream({ timeout: Math.min(requestTimeout, seconds * 1000) });
  return ask(`opening the bucket ${bucket}`, async () => {
    const kv = await views.kv(bucket, {
      ttl: seconds * 1000,
      history: 1,
      storage: settings.storage === 'memory' ? StorageType.Memory : StorageType.File,
      replicas: settings.replicas,
      // Answers come from the leader, not from a copy that may be behind.
      allow_direct: false,
      description: `Who writes to the log ${log} of Drover`,
    });
    const { ttl } = await kv.status();
    return { kv, ttl };
  });
}

/**
 * Has entries live as long as this holder's lease, once it has it. Returns for how long it holds: where the server does not let the bucket be
 * changed, no longer than entries live.
 */
async function setTtl({ jsm }: Connection, { log, seconds }: LeaseOptions, before: number): Promise<number> {
  const ttl = seconds * 1000;
  if (ttl === before) return ttl;
  const stream = `KV_${leaseBucket(log)}`;
  try {
    const { config } = await jsm.streams.info(stream);
    // A server takes no window that is longer than messages live.
    const duplicate_window = Math.min(config.duplicate_window ?? nanos(ttl), nanos(ttl));
    await jsm.streams.update(stream, { ...config, max_age: nanos(ttl), duplicate_window });
    return ttl;
  } catch {
    return Math.min(ttl, before);
  }
}

/** Creates the entry; waits while there is one that is not renewed, for as long as its holder meant it to live. Returns its revision. */
async function takeEntry(kv: KV, value: string, bucketTtl: number): Promise<number> {
  const start = clock();
  let seen: KvEntry | null = null;
  for (;;) {
    try {
      return await kv.create(key, value);
    } catch (error) {
      if (!isConflict(error)) throw toStoreError(error, 'taking the lease');
    }
    const entry = await kv.get(key);
    const holder = entry ? parseHolder(entry) : undefined;
    const ttl = Math.max(bucketTtl, (holder?.seconds ?? 0) * 1000);
    const renewed = seen && entry && entry.revision !== seen.revision;
    if (entry && (renewed || clock() - start > ttl * 2)) {
      throw new EventStoreError(
        'in-use',
        `The log is being written to by ${describe(holder)}. Stop that one first; only one coordinator may write. After it is gone, another can start within ${ttl / 1000} s`,
      );
    }
    seen ??= entry;
    await delay(Math.min(100, ttl / 10));
  }
}

function parseHolder(entry: KvEntry): HolderValue | undefined {
  try {
    return holderValue.parse(JSON.parse(entry.string()));
  } catch {
    return undefined;
  }
}

function describe(holder: HolderValue | undefined): string {
  return holder
    ? `${holder.holder} (process ${holder.pid} on ${holder.host}, since ${holder.since})`
    : 'somebody unknown';
}
