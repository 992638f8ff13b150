import { BuilderError } from '../../../agent/ports/builder.ts';
import type { Connection } from './connection.ts';

/**
 * Connections to a daemon, at most `size` at a time: each is used by one caller, then kept for the next. One that broke, or that its
 * caller spoilt, is never used again. The daemon keeps as temporary roots what was added or held through a connection for as
 * long as that is open, so each is closed after so many uses, and where limits say so after a time, too.
 */
export interface ConnectionPool<Kept extends Pick<Connection, 'usable' | 'close'>> extends AsyncDisposable {
  use<Value>(work: (connection: Kept) => Promise<Value>): Promise<Value>;
  take(): Promise<Lease<Kept>>;
  /** Closes those that nobody uses now, and the others once they are given back: what comes next is asked of a daemon that sees the store as it is. */
  renew(): Promise<void>;
}

export interface Lease<Kept> extends AsyncDisposable {
  readonly connection: Kept;
  /** Whether it was opened for this caller. */
  readonly isNew: boolean;
  /** Nobody is to use the connection after this caller. */
  spoil(): void;
}

export interface PoolLimits {
  /** Connections at a time. */
  readonly size: number;
  /** Callers that use the same one. Default 500. */
  readonly maxUses?: number;
  /** How long one is given to further callers, in milliseconds from when it was opened. Default: for ever. */
  readonly maxAgeMs?: number;
  /** How long one stays open that nobody uses, in milliseconds. Default: for ever. */
  readonly maxIdleMs?: number;
}

interface Entry<Kept> {
  readonly connection: Kept;
  readonly openedAt: number;
  readonly generation: number;
  uses: number;
  /** Closes it, where nobody takes it before. */
  idle?: NodeJS.Timeout | undefined;
}

export function createConnectionPool<Kept extends Pick<Connection, 'usable' | 'close'>>(
  open: () => Promise<Kept>,
  { size, maxUses = 500, maxAgeMs = Number.POSITIVE_INFINITY, maxIdleMs }: PoolLimits,
): ConnectionPool<Kept> {
  const idle: Entry<Kept>[] = [];
  const waiting: (() => void)[] = [];
  const all = new Set<Kept>();
  const opening = new Set<Promise<Kept>>();
  let taken = 0;
  let generation = 0;
  let closed = false;

  async function take(): Promise<Lease<Kept>> {
    while (taken >= size && !closed) await new Promise<void>((resolve) => waiting.push(resolve));
    if (closed) throw new BuilderError('aborted', 'the builder was closed');
    taken++;
    let entry = takeIdle();
    try {
      while (entry !== undefined && !isGood(entry)) {
        await drop(entry.connection);
        entry = takeIdle();
      }
      entry ??= await openOne();
    } catch (error) {
      giveBack();
      throw error;
    }
    const leased = entry;
    let spoilt = false;
    return {
      connection: leased.connection,
      isNew: leased.uses === 0,
      spoil() {
        spoilt = true;
      },
      async [Symbol.asyncDispose]() {
        leased.uses++;
        if (!spoilt && leased.uses < maxUses && isGood(leased)) keep(leased);
        else await drop(leased.connection);
        giveBack();
      },
    };
  }

  function isGood({ connection, openedAt, generation: its }: Entry<Kept>): boolean {
    return connection.usable && !closed && its === generation && performance.now() - openedAt < maxAgeMs;
  }

  function keep(entry: Entry<Kept>): void {
    idle.push(entry);
    if (maxIdleMs === undefined) return;
    entry.idle = setTimeout(() => {
      idle.splice(idle.indexOf(entry), 1);
      void drop(entry.connection);
    }, maxIdleMs).unref();
  }

  /** The one that was used last: those beyond what is needed come to their end. */
  function takeIdle(): Entry<Kept> | undefined {
    const entry = idle.pop();
    clearTimeout(entry?.idle);
    return entry;
  }

  async function drop(connection: Kept): Promise<void> {
    await connection.close();
    // Until then who ends the pool has to wait for it, too: its daemon has a folder that goes with it.
    all.delete(connection);
  }

  async function openOne(): Promise<Entry<Kept>> {
    const its = generation;
    const openedAt = performance.now();
    const opened = open();
    opening.add(opened);
    try {
      const connection = await opened;
      all.add(connection);
      if (!closed) return { connection, openedAt, generation: its, uses: 0 };
      await drop(connection);
      throw new BuilderError('aborted', 'the builder was closed');
    } finally {
      opening.delete(opened);
    }
  }

  function giveBack(): void {
    taken--;
    waiting.shift()?.();
  }

  async function closeIdle(): Promise<void> {
    const entries = idle.splice(0);
    for (const entry of entries) clearTimeout(entry.idle);
    await Promise.all(entries.map(({ connection }) => drop(connection)));
  }

  return {
    take,
    async renew() {
      generation++;
      await closeIdle();
    },
    async use(work) {
      await using lease = await take();
      return await work(lease.connection);
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      for (const wake of waiting.splice(0)) wake();
      await Promise.allSettled(opening);
      for (const entry of idle) clearTimeout(entry.idle);
      await Promise.all([...all].map((connection) => connection.close()));
    },
  };
}
